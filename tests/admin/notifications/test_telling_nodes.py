"""Only the node that works on a connection tells, and a bug in telling ends nothing."""

from typing import Any

import attrs
import httpx
import pytest
import trio
import trio.testing
from structlog.testing import capture_logs
from trio.testing import MockClock

from daemon.errors import LeaseLost
from tests.admin.notifications.harness import (
    AFTER,
    CONDITIONS,
    CONFIGURED,
    accept,
    open_notified,
    start,
)
from tests.admin.notifications.test_telling import SOON
from tests.connections.harness import Elsewhere


@pytest.mark.usefixtures("both_engines")
async def test_only_the_node_that_works_on_a_connection_tells(autojump_clock: MockClock) -> None:
    async with open_notified() as h:
        guest = await h.daemon.beside(CONFIGURED, tenure=Elsewhere(), wakeups=h.daemon.lifecycle.wakeups)
        await start(guest, h.receivers, h.settings, h.nursery)
        await CONDITIONS["parked"][1](h)
        await trio.sleep(SOON)
        assert h.receivers.types() == ["parked.opened"]


@attrs.define
class LostLease:
    """The storage of an owner that has lost its lease without knowing."""

    read: Any

    async def write(self, *_: Any) -> Any:
        raise LeaseLost


async def test_a_node_that_has_lost_the_lease_sends_nothing(autojump_clock: MockClock) -> None:
    async with open_notified() as h:
        h.context.storage = LostLease(h.daemon.database.read)
        await CONDITIONS["parked"][1](h)
        await trio.sleep(2 * SOON)
        assert h.receivers.sent == []


async def test_a_connection_that_left_is_told_of_no_more(autojump_clock: MockClock) -> None:
    async with open_notified() as h:
        await CONDITIONS["parked"][1](h)
        await trio.sleep(AFTER / 2)
        await h.daemon.lifecycle.disconnect(h.context.connection.site)
        await trio.sleep(2 * SOON)
        assert h.receivers.sent == []


def stumble() -> list[Any]:
    raise ZeroDivisionError("a bug")


async def test_a_bug_in_looking_is_logged_and_ends_nothing(autojump_clock: MockClock) -> None:
    async with open_notified() as h:
        h.notifier.watch.contexts = stumble
        with capture_logs() as logs:
            await trio.sleep(SOON)
        assert "looking for conditions crashed" in [line["event"] for line in logs]
        h.notifier.watch.contexts = lambda: h.daemon.supervisor.contexts
        await CONDITIONS["parked"][1](h)
        await trio.sleep(SOON)
        assert h.receivers.types() == ["parked.opened"]


async def test_a_bug_in_telling_is_logged_and_ends_nothing(autojump_clock: MockClock) -> None:
    bugs = [ZeroDivisionError("a bug"), ZeroDivisionError("a bug")]

    async def answer(receiver: str) -> httpx.Response:
        if bugs:
            raise bugs.pop()
        return await accept(receiver)

    async with open_notified() as h:
        h.receivers.behaviour = answer
        await CONDITIONS["parked"][1](h)
        with capture_logs() as logs:
            await trio.sleep(2 * SOON)
        assert [line["event"] for line in logs].count("telling a receiver crashed") == 2
        assert h.receivers.types() == ["parked.opened"]
        assert len(h.receivers.texts()) == 1
