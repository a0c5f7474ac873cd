"""Work on many jobs, a few at a time, without waiting for the slow ones.

One slow entity delays no other: jobs that are not done long after the last of the others go on in the background, and
so do those that only wait for a time of their own, such as a Retry-After; the caller goes on with what is done. Knows
nothing of entities.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

import trio

from daemon.engine.signal import Signal
from daemon.transport.throttle.aside import noticing

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
            nursery.start_soon(worker)  # for the time being, another one takes its turn
        else:
            aside.discard(place)
        changed.set()

    for _ in range(min(concurrency, len(jobs))):
        nursery.start_soon(worker)
    while not left <= aside:
        with trio.move_on_after(LATE) as wait:
            await changed.wait()
        if wait.cancelled_caught:
            break
    return [jobs[place] for place in sorted(left)]
