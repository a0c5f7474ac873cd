"""A signal wakes all its tasks, and none misses a call made while it was working."""

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.engine.signal import Signal


async def test_every_task_is_woken_once_for_what_came_since_its_last_wait(autojump_clock: MockClock) -> None:
    signal, woken = Signal(), []

    async def work(name: str, seconds: float) -> None:
        while True:
            await signal.wait()
            woken.append((name, trio.current_time()))
            await trio.sleep(seconds)

    async with trio.open_nursery() as nursery:
        signal.set()
        nursery.start_soon(work, "quick", 0.5)
        nursery.start_soon(work, "slow", 10.0)
        await trio.sleep(1)
        signal.set()
        signal.set()
        await trio.sleep(20)
        nursery.cancel_scope.cancel()
    assert sorted(woken) == [("quick", 0.0), ("quick", 1.0), ("slow", 0.0), ("slow", 10.0)]


async def test_a_wait_with_a_deadline_ends_at_it(autojump_clock: MockClock) -> None:
    signal = Signal()
    await signal.wait_until(5.0)
    assert trio.current_time() == 5.0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(signal.wait_until, 100.0)
        await wait_all_tasks_blocked()
        signal.set()
    assert trio.current_time() == 5.0
