"""Connections take turns: a connection's queue of any length delays another connection by two commits at most.

With the real threads, a real file and the real clock. Commits are counted, not seconds.
"""

import contextlib
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import trio
from sqlalchemy import Connection
from trio.testing import wait_all_tasks_blocked

from daemon.storage.database import Database, open_database
from tests.storage.harness import StorageHarness

DEEP = 2_000


async def test_a_change_recorded_behind_a_deep_queue_is_in_the_next_commit_and_claimed_at_once(tmp_path: Path) -> None:
    commits: list[int] = []
    async with open_database(tmp_path / "ignite-sync.db", lambda _, calls, __: commits.append(calls)) as database:
        flooding, other = (
            await StorageHarness.build(database, "flooding"),
            await StorageHarness.build(database, "other"),
        )
        commits.clear()
        seen: list[int] = []
        async with trio.open_nursery() as nursery, _busy(database, nursery):
            for number in range(DEEP):
                nursery.start_soon(flooding.record, str(number))
            await wait_all_tasks_blocked()
            nursery.start_soon(_record, other, "1", commits, seen)
            await wait_all_tasks_blocked()
            assert database.waiting == DEEP + 1
        assert seen == [2], "the commit that was under way, and its own"
        assert commits == [1, DEEP + 1]
        [claim] = await other.claim(now=1.0)
        assert claim.external_id == "1", "all of the flood is due too, and was before"
        assert len(await flooding.claim(now=1.0)) == 250


async def _record(harness: StorageHarness, name: str, commits: Sequence[int], seen: list[int]) -> None:
    """Record a change; append the number of commits made by its acknowledgement to `seen`."""
    await harness.record(name)
    seen.append(len(commits))


@contextlib.asynccontextmanager
async def _busy(database: Database, nursery: trio.Nursery) -> AsyncIterator[None]:
    """Occupy the writer with a commit until the block ends."""
    go_on = threading.Event()

    def wait(_conn: Connection, calls: Sequence[None]) -> list[None]:
        go_on.wait(30)
        return [None] * len(calls)

    nursery.start_soon(database.write, wait, None)
    await wait_all_tasks_blocked()
    try:
        yield
    finally:
        go_on.set()
