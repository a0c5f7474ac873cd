"""Works on many jobs, a few at a time, without waiting for the slow ones.

One slow entity delays no other. Jobs that are late go on in the background, and so do jobs that only wait for a time of
their own, such as a Retry-After; the caller goes on with the rest. Knows nothing of entities.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

import trio

from daemon.engine.signal import Signal
from daemon.transport.throttle.aside import noticing

LATE = 5.0
"""Seconds without the end of any job after which the rest is late."""

CONCURRENCY = 8
"""Jobs of one call that are worked on at the same time."""

T = TypeVar("T")


async def work_off(nursery: trio.Nursery, jobs: Sequence[T], work: Callable[[T], Awaitable[None]]) -> list[T]:
    """Call `work` for each of `jobs`, in `nursery`; return the jobs that are late. These go on.

    `work` must raise nothing but cancellation, since it may outlive this call.
    """
    places = iter(range(len(jobs)))
    # Jobs are told apart by place: equal ones may be in the list twice.
    left, aside, changed = set(range(len(jobs))), set[int](), Signal()

    async def worker() -> None:
        for place in places:
            with noticing(partial(notice, place)):
                await work(jobs[place])
            left.discard(place)
            changed.set()

    def notice(place: int, is_aside: bool) -> None:  # noqa: FBT001  as `noticing` calls it
        if is_aside:
            aside.add(place)
            nursery.start_soon(worker)  # a job that only waits needs no place
        else:
            aside.discard(place)
        changed.set()

    for _ in range(min(CONCURRENCY, len(jobs))):
        nursery.start_soon(worker)
    # Jobs that only wait are late at once; the others have `LATE` seconds since the last end.
    while not left <= aside:
        with trio.move_on_after(LATE) as wait:
            await changed.wait()
        if wait.cancelled_caught:
            break
    return [jobs[place] for place in sorted(left)]
