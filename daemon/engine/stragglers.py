"""Work on many jobs, a few at a time, without waiting for the slow ones.

One slow entity delays no other: jobs that are not done long after the last of the others go on in the background, and
the caller goes on with what is done. Knows nothing of entities.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import trio

from daemon.engine.signal import Signal

LATE = 5.0
"""Seconds after the end of one job in which no other ends: those that are left are late."""

T = TypeVar("T")


async def work_off(
    nursery: trio.Nursery, jobs: Sequence[T], work: Callable[[T], Awaitable[None]], *, concurrency: int
) -> list[T]:
    """Call `work` for each of `jobs`, in `nursery`; return the jobs that are late. These go on.

    `work` must raise nothing but cancellation, since it may outlive this call.
    """
    places = iter(range(len(jobs)))
    left, ended = set(range(len(jobs))), Signal()

    async def worker() -> None:
        for place in places:
            await work(jobs[place])
            left.discard(place)
            ended.set()

    for _ in range(min(concurrency, len(jobs))):
        nursery.start_soon(worker)
    while left:
        with trio.move_on_after(LATE) as wait:
            await ended.wait()
        if wait.cancelled_caught:
            break
    return [jobs[place] for place in sorted(left)]
