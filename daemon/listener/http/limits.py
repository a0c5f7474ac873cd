"""How much of everything a client may take. Each number has a test that goes one beyond it.

Sizes are bytes, times are seconds. The defaults are the daemon's; tests use smaller ones where that is quicker.
"""

import resource

from attrs import frozen

MANY_FILES = 65_536
"""Enough for every connection and every client of every store; some systems call unlimited what they refuse."""


@frozen(kw_only=True)
class Limits:
    """The hard limits of a server."""

    body: int = 1024 * 1024
    """More is answered 413, as soon as it is announced or has arrived."""

    head: int = 16 * 1024
    """Request line, headers and trailers together; more is answered 431."""

    fields: int = 100
    """Headers of a request, and trailers: each costs far more memory than its bytes; more are answered 431."""

    held: int = 32 * 1024 * 1024
    """Of requests that are not answered yet, all connections together; beyond, the largest of them is given up."""

    connections: int = 1000
    """At the limit the longest-idle one gives way, else the one whose request or answer takes longest to pass. When
    each of them is being worked for, the new one is answered 503."""

    request_seconds: float = 10.0
    """From the first byte of a request to its last; then it is answered 408."""

    idle_seconds: float = 75.0
    """Without a request a connection is closed silently: longer than proxies keep theirs (60 s is common)."""

    send_seconds: float = 30.0
    """For the other side to take an answer; then it is cut off."""

    linger_seconds: float = 5.0
    """For the other side to stop sending and read the last answer before the connection is closed."""


def raise_file_limit() -> int:
    """Let this process open as many files as it is allowed to, since a connection is a file; return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MANY_FILES if hard == resource.RLIM_INFINITY else min(hard, MANY_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return MANY_FILES if soft == resource.RLIM_INFINITY else soft
