"""The life of a dry run in the daemon: one for each connection, ended when no one asks for it.

What it finds is tried in `tests/engine/test_dry_run.py`; here the store hangs, so that it does not end by itself.
"""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from daemon.admin import verify
from daemon.admin.verify import FORGET_SECONDS, KEPT_SECONDS, MOST_NAMES
from daemon.errors import Conflict, Invalid, NotFound, Paused, Retry
from tests.connections.harness import LifecycleHarness, link, open_harness
from tests.databases import InlineDatabase, new_database

SITE = {"site": "test/a"}


@contextlib.asynccontextmanager
async def _scratch() -> AsyncIterator[InlineDatabase]:
    database = new_database()
    yield database
    database.close()


@pytest.fixture
async def harness(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LifecycleHarness]:
    """Open a daemon with one connection, whose store hangs."""
    # The clock is a mock, so threads would come too late.
    monkeypatch.setattr(verify, "scratch_database", _scratch)

    async def hang(_method: str) -> None:
        await trio.sleep_forever()

    async with open_harness(link("a", "store-1")) as opened, trio.open_nursery() as nursery:
        opened.shop.before = hang
        nursery.start_soon(opened.admin.verifications.run)
        await trio.testing.wait_all_tasks_blocked()
        yield opened
        nursery.cancel_scope.cancel()


async def state(harness: LifecycleHarness) -> Any:
    return await harness.admin.verify_state(SITE)


async def test_a_connection_has_one_at_a_time(autojump_clock: MockClock, harness: LifecycleHarness) -> None:
    with pytest.raises(NotFound, match="there is no dry run of test/a"):
        await state(harness)
    begun = await harness.admin.verify(SITE)
    assert (begun["running"], begun["kinds"].keys()) == (True, {"products"})
    with pytest.raises(Conflict, match="a dry run of test/a is already running"):
        await harness.admin.verify(SITE | {"kind": "products"})
    assert (await state(harness))["running"]
    await harness.admin.cancel_verify(SITE)
    with pytest.raises(NotFound):
        await harness.admin.cancel_verify(SITE)
    assert (await harness.admin.verify(SITE))["running"], "another may begin"


async def test_what_cannot_be_asked_for_is_refused(autojump_clock: MockClock, harness: LifecycleHarness) -> None:
    with pytest.raises(NotFound):
        await harness.admin.verify({"site": "test/other"})
    with pytest.raises(Invalid, match="kind: must be one of"):
        await harness.admin.verify(SITE | {"kind": "dogs"})
    with pytest.raises(Invalid, match="kind: orders are not synced from this platform"):
        await harness.admin.verify(SITE | {"kind": "orders"})
    for names in (-1, MOST_NAMES + 1, "7", True):
        with pytest.raises(Invalid, match="names: must be a whole number from 0 to 1000"):
            await harness.admin.verify(SITE | {"names": names})
    await harness.admin.pause(SITE)
    with pytest.raises(Paused):
        await harness.admin.verify(SITE)


async def test_it_ends_soon_after_the_last_question(autojump_clock: MockClock, harness: LifecycleHarness) -> None:
    await harness.admin.verify(SITE)
    for _ in range(5):
        await trio.sleep(FORGET_SECONDS - 5)
        assert (await state(harness))["running"]
    await trio.sleep(FORGET_SECONDS + 5)
    ended = await state(harness)
    assert (ended["running"], ended["trouble"], ended["nothing_to_do"]) == (False, "it was cancelled", False)
    await trio.sleep(KEPT_SECONDS + 2 * FORGET_SECONDS)
    with pytest.raises(NotFound):
        await state(harness)


async def test_it_ends_when_its_connection_stops(autojump_clock: MockClock, harness: LifecycleHarness) -> None:
    await harness.admin.verify(SITE)
    await trio.sleep(1)
    await harness.supervisor.stop(harness.runner("a").context.connection.id)
    await trio.sleep(5)
    assert (await state(harness))["trouble"] == "the connection was restarted, paused or stopped meanwhile; try again"


async def test_a_failing_store_is_named(autojump_clock: MockClock, harness: LifecycleHarness) -> None:
    async def fail(_method: str) -> None:
        raise Retry("the answer was no JSON", reason="unreadable")

    harness.shop.before = fail
    await harness.admin.verify(SITE)
    await trio.sleep(FORGET_SECONDS - 5)
    ended = await state(harness)
    assert (ended["running"], ended["trouble"]) == (False, "Fake: the answer was no JSON")
    assert not ended["kinds"]["products"]["over"]


async def test_a_bug_ends_it_with_a_word_and_a_traceback(autojump_clock: MockClock, harness: LifecycleHarness) -> None:
    async def fail(_method: str) -> None:
        raise ZeroDivisionError("secret words")

    harness.shop.before = fail
    await harness.admin.verify(SITE)
    await trio.sleep(FORGET_SECONDS - 5)
    ended = await state(harness)
    assert (ended["running"], ended["trouble"]) == (False, "the dry run crashed; see the daemon's log")
