"""Tasks start and stop by key, independently of each other."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.engine.task_group import TaskGroup


class Work:
    """A task that works for a number of seconds, and records how it ended."""

    def __init__(self, seconds: float = 1000.0) -> None:
        self.seconds = seconds
        self.end = ""

    async def run(self) -> None:
        self.end = "started"
        try:
            await trio.sleep(self.seconds)
            self.end = "done"
        except trio.Cancelled:
            with trio.CancelScope(shield=True):
                await trio.sleep(1)
            self.end = "cancelled"
            raise


async def test_a_stopped_task_is_gone_and_the_others_go_on(autojump_clock: MockClock) -> None:
    tasks, before, after, other = TaskGroup[str](), Work(), Work(), Work(5)
    tasks.add("a", before.run)
    tasks.add("b", other.run)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tasks.run)
        await trio.sleep(1)
        await tasks.stop("a")
        assert (before.end, other.end) == ("cancelled", "started")
        tasks.add("a", after.run)
        await trio.sleep(1)
        assert after.end == "started"
        tasks.finish()
        await trio.sleep(4)
        assert (other.end, after.end) == ("done", "started"), "the remaining tasks are waited for"
        tasks.finish(at_once=True)
    assert after.end == "cancelled"


async def test_a_task_stopped_before_the_start_never_starts(autojump_clock: MockClock) -> None:
    tasks, work = TaskGroup[str](), Work()
    tasks.add("a", work.run)
    await tasks.stop("a")
    await tasks.stop("none")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tasks.run)
        await wait_all_tasks_blocked()
        await tasks.stop("a")
        tasks.finish()
        tasks.add("late", work.run)
    assert work.end == ""


async def test_a_task_that_raises_ends_all(autojump_clock: MockClock) -> None:
    async def broken() -> None:
        await trio.sleep(1)
        raise ZeroDivisionError

    tasks, other = TaskGroup[str](), Work()
    tasks.add("a", broken)
    tasks.add("b", other.run)
    with pytest.raises(ExceptionGroup):
        await tasks.run()
    assert other.end == "cancelled"
