"""Limits on what a client may use. Each number has a test that exceeds it by one.

Sizes are in bytes, times in seconds. The defaults are the daemon's; tests use smaller ones where that is quicker.
"""

import resource

from attrs import frozen

MANY_FILES = 65_536
"""Enough for every connection and API client. Some systems report "unlimited" and then refuse it."""


@frozen(kw_only=True)
class Limits:
    """The hard limits of a server."""

    body: int = 1024 * 1024
    """A larger body is answered 413, as soon as it is announced or has arrived. A route may allow more."""

    head: int = 16 * 1024
    """Request line, headers and trailers together; more is answered 431."""

    fields: int = 100
    """Headers and trailers of a request; more are answered 431. Each costs far more memory than its bytes."""

    held: int = 32 * 1024 * 1024
    """Unanswered requests of all connections together; above it, the largest of them is answered 503."""

    connections: int = 1000
    """At the limit the longest-idle connection is closed, else the one with the slowest request or answer. If a
    handler runs for each of them, the new connection is answered 503."""

    request_seconds: float = 10.0
    """Time from the first byte of a request to its last; then it is answered 408."""

    idle_seconds: float = 75.0
    """An idle connection is closed silently after this time. Proxies close theirs earlier (60 s is common)."""

    send_seconds: float = 30.0
    """Time for the client to receive an answer; then the connection is cut off."""

    linger_seconds: float = 5.0
    """Time for the client to stop sending and read the last answer before the connection is closed."""


def raise_file_limit() -> int:
    """Raise the soft limit of open files, since each connection is a file; return the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MANY_FILES if hard == resource.RLIM_INFINITY else min(hard, MANY_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return MANY_FILES if soft == resource.RLIM_INFINITY else soft
