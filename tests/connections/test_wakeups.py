"""Wake-ups between nodes: messages while they arrive, a look in the database once a second while they do not."""

import contextlib
import itertools
import math
from collections.abc import AsyncIterator

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from daemon.connections.wakeups import COALESCE, ECHO_EVERY, ECHO_SECONDS, POLL_EVERY, NodeWakeups, Way
from tests.connections.fake_messages import FakeMessages, trouble


@define
class Node:
    """A node, what it has heard, and when it has looked."""

    messages: FakeMessages
    wakeups: NodeWakeups = field(init=False)
    heard: list[list[str]] = field(factory=list)
    looks: list[float] = field(factory=list)
    trouble: bool = False

    def __attrs_post_init__(self) -> None:
        self.wakeups = NodeWakeups(messages=self.messages)
        self.wakeups.listen_to(lambda words: self.heard.append(list(words)), self._look)

    def uses(self, way: Way) -> bool:
        return self.wakeups.way is way

    async def _look(self) -> None:
        await trio.lowlevel.checkpoint()
        self.looks.append(trio.current_time())
        if self.trouble:
            raise trouble()


@contextlib.asynccontextmanager
async def _running(messages: FakeMessages) -> AsyncIterator[Node]:
    node = Node(messages)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(node.wakeups.run)
        yield node
        nursery.cancel_scope.cancel()


async def test_while_echoes_come_messages_arrive_and_nothing_is_polled(autojump_clock: MockClock) -> None:
    messages = FakeMessages()
    async with _running(messages) as node, _running(messages) as other:
        await trio.sleep(1)
        assert node.uses(Way.NOTIFY)
        assert other.uses(Way.NOTIFY)
        other.wakeups.tell("work", 7, "products")
        other.wakeups.tell("arrived", 7, "products", "an id with blanks")
        await trio.sleep(1)
        assert node.heard == [["work", "7", "products"], ["arrived", "7", "products", "an id with blanks"]]
        looked = len(node.looks)
        await trio.sleep(100)
        assert len(node.looks) == looked
        assert len(messages.sessions) == 2, "one for each node, and none again"
        echoes = [at for at, sent in messages.sent if any(node.wakeups.node in message for message in sent)]
        assert {round(after - before) for before, after in itertools.pairwise(echoes)} == {ECHO_EVERY}


async def test_messages_are_sent_at_most_every_50_ms_and_each_once(autojump_clock: MockClock) -> None:
    async with _running(FakeMessages()) as node:
        await trio.sleep(1)
        for _ in range(100):
            for connection in (1, 2):
                node.wakeups.tell("work", connection, "products")
            await trio.sleep(0.01)
        await trio.sleep(1)
        times = [at for at, messages in node.messages.sent if "work 1 products" in messages]
        assert 15 < len(times) <= 1 / COALESCE + 1
        assert all(round(later - at, 6) >= COALESCE for at, later in itertools.pairwise(times))
        assert node.messages.told == [["work 1 products", "work 2 products"]] * len(times)


@pytest.mark.parametrize("ready", [True, False], ids=["no echo comes", "it never listens"])
async def test_without_echoes_it_polls_once_a_second_and_listens_again(
    autojump_clock: MockClock, *, ready: bool
) -> None:
    """As behind a pooler: no call fails, and nothing arrives."""
    messages = FakeMessages(passes=lambda _message: False, ready=ready)
    async with _running(messages) as node:
        await trio.sleep(300)
        assert node.uses(Way.POLL)
        assert abs(len(node.looks) - 300 / POLL_EVERY) < 5
        pauses = [after - before for before, after in itertools.pairwise(messages.sessions)]
        assert max(pauses) < 35, "the pauses grow only so far"
        assert pauses[0] < 15
        # The server is reached directly now.
        messages.passes, messages.ready = lambda _message: True, True
        await trio.sleep(35)
        assert node.uses(Way.NOTIFY)
        looked = len(node.looks)
        await trio.sleep(60)
        assert len(node.looks) == looked


async def test_a_session_that_falls_silent_is_noticed_by_the_next_echo(autojump_clock: MockClock) -> None:
    messages = FakeMessages()
    async with _running(messages) as node:
        await trio.sleep(1)
        looked = len(node.looks)
        messages.passes = lambda _message: False
        await trio.sleep(ECHO_EVERY + ECHO_SECONDS + POLL_EVERY)
        assert node.uses(Way.POLL)
        assert len(node.looks) > looked
        assert len(messages.sessions) == 2, "it has connected again"


async def test_a_session_that_ends_is_noticed_at_once_and_looked_after(autojump_clock: MockClock) -> None:
    """A look after the new session has begun finds all that no session has told of."""
    async with _running(FakeMessages()) as node:
        await trio.sleep(1)
        node.messages.hang_up()
        await trio.sleep(0.5)
        assert node.uses(Way.POLL)
        node.looks.clear()
        await trio.sleep(3)
        assert node.uses(Way.NOTIFY)
        [_, *_, last] = node.looks
        assert last >= node.messages.sessions[-1]


async def test_messages_wait_for_an_absent_server_and_trouble_ends_nothing(autojump_clock: MockClock) -> None:
    messages = FakeMessages(absent=True)
    async with _running(messages) as node:
        node.trouble = True
        node.wakeups.tell("work", 1, "products")
        await trio.sleep(5)
        node.wakeups.tell("work", 1, "products")
        node.wakeups.tell("connections")
        await trio.sleep(50)
        assert messages.sent == []
        assert len(node.looks) > 50
        messages.absent = node.trouble = False
        await trio.sleep(30)
        assert messages.told == [["work 1 products", "connections"]]
        assert node.uses(Way.NOTIFY)


async def test_echoes_of_other_nodes_prove_nothing(autojump_clock: MockClock) -> None:
    messages = FakeMessages()
    async with _running(messages) as node, _running(messages) as other:
        messages.passes = lambda message: not message.startswith(f"echo {node.wakeups.node} ")
        await trio.sleep(60)
        assert node.uses(Way.POLL)
        assert other.uses(Way.NOTIFY)
        assert math.isclose(node.looks[-1] - node.looks[-2], POLL_EVERY)
