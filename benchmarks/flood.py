"""Floods one connection with webhooks at a steady rate, from a process of its own.

    python -m benchmarks.flood PLATFORM PORT SITE PER_SECOND SECONDS

Every webhook is for a different product, is as the platform sends it, and is answered before its connection sends the
next. If the daemon is slower than the rate, late webhooks are sent as soon as a connection is free. Prints the number
of 200 answers, and of others.
"""

import json
import select
import socket
import sys
import time

from benchmarks.platforms import PLATFORMS, BenchPlatform

CONNECTIONS = 32
FIRST_ID = 1_000_000


def flood(platform: BenchPlatform, port: int, site: str, per_second: float, seconds: float) -> tuple[int, int]:
    """Send until the time is over; return the number of 200 answers, and of others."""
    poll, sockets, stamp = select.epoll(), {}, str(int(time.time())).encode()
    for _ in range(CONNECTIONS):
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
            sockets[idle.pop()].sendall(platform.delivery(site, FIRST_ID + sent, stamp))
            sent += 1
    return taken, refused


if __name__ == "__main__":
    name, place, whose, rate, duration = sys.argv[1:]
    print(json.dumps(flood(PLATFORMS[name], int(place), whose, float(rate), float(duration))))
