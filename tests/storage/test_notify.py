"""Messages between nodes through a real server."""

import contextlib
import tempfile
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import trio

from daemon.connections.wakeups import NodeWakeups, Way
from daemon.errors import StorageTrouble
from daemon.model import Secret
from daemon.storage import notify
from daemon.storage.notify import LONGEST, Messenger, arrives, open_messenger
from tests.pgbouncer import Pooler
from tests.postgres import running

pytestmark = pytest.mark.postgres


@contextlib.asynccontextmanager
async def _hearing(messenger: Messenger) -> AsyncIterator[trio.MemoryReceiveChannel[str]]:
    """Lend what a messenger hears; "" is the end of its session."""
    send, receive = trio.open_memory_channel[str](100)
    ready = trio.Event()

    async def hear() -> None:
        with contextlib.suppress(StorageTrouble):
            await messenger.hear(ready.set, send.send_nowait)
        send.send_nowait("")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(hear)
        with trio.fail_after(60):
            await ready.wait()
            yield receive
        nursery.cancel_scope.cancel()


async def test_every_listener_hears_what_any_node_sends(postgres_url: Secret) -> None:
    opened = partial(open_messenger, postgres_url, postgres_url)
    async with opened() as one, opened() as other, _hearing(one) as at_one, _hearing(other) as at_other:
        await other.send(["work 1 products", "arrived 1 products 'ü\N{SNOWMAN}"])
        await one.send(["x" * 9000])
        for heard in (at_one, at_other):
            assert [await heard.receive() for _ in range(3)] == [
                "work 1 products",
                "arrived 1 products 'ü\N{SNOWMAN}",
                "x" * LONGEST,
            ]


async def test_a_listener_notices_the_end_of_its_session_and_listens_again() -> None:
    with running() as server, server.database() as url:
        async with open_messenger(url, url) as messenger:
            async with _hearing(messenger) as heard:
                server.stop(at_once=True)
                assert await heard.receive() == ""
            with pytest.raises(StorageTrouble):
                await messenger.send(["lost"])
            with pytest.raises(StorageTrouble):
                await messenger.hear(lambda: None, lambda _message: None)
            server.start()
            async with _hearing(messenger) as heard:
                await messenger.send(["work 1 products"])
                assert await heard.receive() == "work 1 products"


async def test_a_check_sends_a_message_and_waits_for_it(postgres_url: Secret) -> None:
    assert await arrives(postgres_url, postgres_url)
    with pytest.raises(StorageTrouble, match="No such file"):
        await arrives(postgres_url, Secret("postgresql://daemon@/x?host=/nowhere"))


async def test_a_server_that_accepts_and_says_nothing_can_be_left(postgres_url: Secret) -> None:
    """The wait for a silent session ends with the task, so that the echo's deadline can end it."""
    async with open_messenger(postgres_url, postgres_url) as messenger:
        with trio.move_on_after(0.2) as scope:
            await messenger.hear(lambda: None, lambda _message: None)
        assert scope.cancelled_caught
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        nowhere = Secret(f"postgresql://daemon@/x?host={Path(folder)}")
        async with open_messenger(nowhere, nowhere) as messenger:
            with pytest.raises(StorageTrouble) as caught:
                await messenger.hear(lambda: None, lambda _message: None)
            assert caught.value.reason == "storage_unreachable"


@pytest.mark.pgbouncer
async def test_through_a_pooler_messages_can_be_sent_and_not_heard(
    postgres_url: Secret, pooler: Pooler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No call fails, and so only an echo shows it. A listener that is at the server itself hears what is sent there."""
    pooled = pooler.url(postgres_url)
    async with open_messenger(pooled, pooled) as one, open_messenger(pooled, postgres_url) as other:
        async with _hearing(one) as at_one, _hearing(other) as at_other:
            for number in range(20):
                await one.send([f"work {number} products"])
            assert [await at_other.receive() for _ in range(20)] == [f"work {number} products" for number in range(20)]
        assert at_one.statistics().current_buffer_used == 0
    monkeypatch.setattr(notify, "ARRIVE_SECONDS", 1.0)
    assert not await arrives(pooled, pooled)
    assert await arrives(pooled, postgres_url)


@pytest.mark.pgbouncer
@pytest.mark.parametrize("listens", ["through the pooler", "at the server"])
async def test_a_node_behind_a_pooler_notices_by_its_echo(postgres_url: Secret, pooler: Pooler, listens: str) -> None:
    pooled = pooler.url(postgres_url)
    listen_url, way = (pooled, Way.POLL) if listens == "through the pooler" else (postgres_url, Way.NOTIFY)
    looked = trio.Event()
    looks = 0

    async def look() -> None:
        nonlocal looks
        await trio.lowlevel.checkpoint()
        looks += 1
        if looks == 3:  # one at the start, one at the change to messages
            looked.set()

    async with open_messenger(pooled, listen_url) as messenger, trio.open_nursery() as nursery:
        wakeups = NodeWakeups(messages=messenger)
        heard = trio.Event()
        wakeups.listen_to(lambda _words: heard.set(), look)
        nursery.start_soon(wakeups.run)
        with trio.fail_after(60):
            if way is Way.NOTIFY:
                await wakeups._turned.wait()  # what is sent before anyone listens is lost
                wakeups.tell("work", 1, "products")
                await heard.wait()
            else:
                await looked.wait()
        assert wakeups.way is way
        nursery.cancel_scope.cancel()
