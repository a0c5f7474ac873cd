"""The storm keeps its pace, whatever the time that its own work takes."""

import random
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.prove.cluster.load import Load
from tests.prove.cluster.storm import KILL_EVERY, kill_on

PER_SECOND = 200.0
BUSY_SECONDS = 0.002
SECONDS = 20.0


class BusyStore:
    """A store whose ids take a while to read, as all does on a busy machine."""

    def __init__(self, clock: MockClock) -> None:
        self._clock = clock

    @property
    def ids(self) -> list[int]:
        self._clock.jump(BUSY_SECONDS)
        return [1, 2, 3]

    def set_title(self, *_: object, **__: object) -> None: ...


class Taking:
    """Takes every webhook."""

    async def post(self, *_: object) -> int:
        await trio.lowlevel.checkpoint()
        return 200


async def test_the_asked_rate_is_reached_on_a_busy_machine(autojump_clock: MockClock) -> None:
    harness: Any = SimpleNamespace(store=BusyStore(autojump_clock), site=SimpleNamespace(site_id="s"))
    poster: Any = Taking()
    load = Load(harnesses=[harness], ports=[1, 2], chance=random.Random(1), poster=poster)
    with trio.move_on_after(SECONDS):
        await load.edit_on(PER_SECOND)
    assert load.acknowledged / SECONDS == pytest.approx(PER_SECOND, rel=0.05)


async def test_the_time_of_a_start_is_no_pause_between_kills(autojump_clock: MockClock) -> None:
    kills: list[float] = []

    async def kill() -> None:
        kills.append(trio.current_time())

    async def start() -> None:
        await trio.sleep(7)

    node = SimpleNamespace(process=SimpleNamespace(kill=kill), start=start)
    nodes: Any = SimpleNamespace(nodes=[node, node], assert_lawful=lambda _: None)
    began = trio.current_time()
    assert await kill_on(nodes, began, began + 100) == 4
    assert kills == [began + KILL_EVERY * number for number in (1, 2, 3, 4)]
    assert trio.current_time() == began + 100
