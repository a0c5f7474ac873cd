"""A cheap load generator: non-blocking sockets and epoll, in its own process; and CPUs for it and the measured one.

    python -m benchmarks.load PORT CONNECTIONS SECONDS MODULE:FUNCTION COUNT [WORD ...]
    python -m benchmarks.load flood PLATFORM PORT SITE PER_SECOND SECONDS

`FUNCTION(COUNT, WORD, ...)` returns the requests as bytes, before the clock starts. The connections take them in turn
and start over at the end. Each connection has one request under way. Prints a `Result` as one line of JSON. It assumes
that each answer arrives in one piece, which holds for small ones on loopback.
"""

import importlib
import json
import os
import select
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle

import trio
from attrs import asdict, frozen

from benchmarks.platforms import PLATFORMS, BenchPlatform

CONNECTIONS = 64
DRAIN_SECONDS = 30.0

FLOODING = 32
"""Sockets of a flood."""

FIRST_FLOODED = 1_000_000
MEASURED, LOADING = 0, 1
"""The places of CPUs for `seat`."""


@frozen(kw_only=True)
class Result:
    """Result of a load. `statuses` counts all answers by status; latencies are seconds.

    The requests sent are the first ones, one for each answer (or all of them, if the load started over).
    """

    per_second: float
    statuses: dict[str, int]
    p50: float
    p99: float


def seat(place: int) -> Callable[[], None]:
    """Return the function with which a child process takes its CPU; on a machine with one CPU all share it.

    A Python process runs on one CPU at a time anyway. Without a fixed CPU, its threads wait for each other across CPUs,
    and results of the same code vary by 10 to 20 %.
    """
    cpus = sorted(os.sched_getaffinity(0))
    return partial(os.sched_setaffinity, 0, {cpus[place % len(cpus)]})


async def load(port: int, requests: str, *words: str, count: int, seconds: float) -> Result:
    """Load 127.0.0.1:port from another process with the requests of `requests` ("module:function")."""
    given = (port, CONNECTIONS, seconds, requests, count, *words)
    command = [sys.executable, "-m", "benchmarks.load", *map(str, given)]
    done = await trio.run_process(command, capture_stdout=True, preexec_fn=seat(LOADING))
    return Result(**json.loads(done.stdout))


def drive(port: int, connections: int, seconds: float, requests: Iterator[bytes]) -> Result:
    """Send and receive until the time is over."""
    poll = select.epoll()
    sockets = {}
    for _ in range(connections):
        client = socket.create_connection(("127.0.0.1", port))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        poll.register(client, select.EPOLLIN)
        sockets[client.fileno()] = client
    statuses: Counter[str] = Counter()
    took: list[float] = []
    began = time.perf_counter()
    sent = dict.fromkeys(sockets, began)
    for client in sockets.values():
        client.sendall(next(requests))
    while (now := time.perf_counter()) < began + seconds:
        for number, _ in poll.poll(1.0):
            client = sockets[number]
            statuses[client.recv(65536)[9:12].decode()] += 1
            now = time.perf_counter()
            took.append(now - sent[number])
            sent[number] = now
            client.sendall(next(requests))
    for client in sockets.values():  # Requests under way are answered too, so that the outcome of each is known.
        client.settimeout(DRAIN_SECONDS)
        statuses[client.recv(65536)[9:12].decode()] += 1
    took.sort()
    return Result(
        per_second=len(took) / (now - began),
        statuses=dict(statuses),
        p50=took[len(took) // 2],
        p99=took[len(took) * 99 // 100],
    )


def flood(platform: BenchPlatform, port: int, site: str, per_second: float, seconds: float) -> tuple[int, int]:
    """Flood a connection with webhooks at a steady rate; return the number of 200 answers, and of others.

    Every webhook is for a different product, is as the platform sends it, and is answered before its socket sends the
    next. If the daemon is slower than the rate, late webhooks are sent as soon as a socket is free.
    """
    poll, sockets, stamp = select.epoll(), {}, str(int(time.time())).encode()
    for _ in range(FLOODING):
        client = socket.create_connection(("127.0.0.1", port))
        poll.register(client, select.EPOLLIN)
        sockets[client.fileno()] = client
    idle, sent, taken, refused = list(sockets), 0, 0, 0
    began = time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds:
        for number, _ in poll.poll(1 / per_second):
            ok = sockets[number].recv(65536)[9:12] == b"200"
            taken, refused = taken + ok, refused + (not ok)
            idle.append(number)
        while idle and sent < passed * per_second:
            sockets[idle.pop()].sendall(platform.delivery(site, FIRST_FLOODED + sent, stamp))
            sent += 1
    return taken, refused


def main() -> None:
    """Read the command line, drive or flood, print."""
    if sys.argv[1] == "flood":
        name, place, site, rate, duration = sys.argv[2:]
        print(json.dumps(flood(PLATFORMS[name], int(place), site, float(rate), float(duration))))
        return
    port, connections, seconds, requests, count, *words = sys.argv[1:]
    module, _, function = requests.partition(":")
    make: Callable[..., list[bytes]] = getattr(importlib.import_module(module), function)
    result = drive(int(port), int(connections), float(seconds), cycle(make(int(count), *words)))
    print(json.dumps(asdict(result)))


if __name__ == "__main__":
    main()
