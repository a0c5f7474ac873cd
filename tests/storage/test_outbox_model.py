"""The outbox against a tiny model of the world, in random order: nothing recorded is ever lost, the newest wins.

The model has a version of each entity, which grows with every change. A worker claims, reads versions some time
later, and settles some time after that, or fails, or crashes. Known is what it read when it settled as done.
"""

import random
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from attrs import define, field

from daemon.model import Lane, RunId
from daemon.storage.outbox import Claim
from daemon.storage.settle import RetryLater
from tests.storage.harness import StorageHarness, settled

IDS = tuple("abcdefgh")


@define
class World:
    """The model, and the harness beside it."""

    harness: StorageHarness
    chance: random.Random
    now: float = 0.0
    version: dict[str, int] = field(factory=lambda: dict.fromkeys(IDS, 0))
    known: dict[str, int] = field(factory=lambda: dict.fromkeys(IDS, 0))
    claimed: dict[str, Claim] = field(factory=dict)
    read: dict[str, int] = field(factory=dict)
    version_at_claim: dict[str, int] = field(factory=dict)
    run: RunId | None = None
    awaited: set[str] = field(factory=set)
    """What the run has seen and nobody has finished since."""

    def some(self, among: Any = IDS) -> list[str]:
        return [one for one in among if self.chance.random() < 0.3]

    async def change(self) -> None:
        ids = self.some()
        for one in ids:
            self.version[one] += 1
        waiting = self.chance.choice([{}, {"debounce": 1.0, "debounce_max": 10.0}])
        await self.harness.record(*ids, now=self.now, lane=self.chance.choice(list(Lane)), **waiting)

    async def claim(self) -> None:
        lane = self.chance.choice(list(Lane))
        for claim in await self.harness.claim(self.now, lane, limit=3, in_flight=frozenset(self.claimed)):
            assert claim.external_id not in self.claimed, "at most one piece of work for an entity"
            self.claimed[claim.external_id] = claim
            self.version_at_claim[claim.external_id] = self.version[claim.external_id]

    async def look(self) -> None:
        for one in self.some(self.claimed):
            self.read[one] = self.version[one]

    async def finish(self) -> None:
        for one in self.some(self.read):
            claim = self.claimed.pop(one)
            seen = self.read.pop(one)
            await self.harness.settle(done=[settled(claim)], now=self.now)
            self.known[one] = max(self.known[one], seen)
            self._left(claim)

    async def fail(self) -> None:
        for one in self.some(self.claimed):
            claim = self.claimed.pop(one)
            self.read.pop(one, None)
            parks = self.chance.random() < 0.4
            due = None if parks else self.now + self.chance.uniform(0, 60)
            await self.harness.settle(again=[RetryLater(claim=claim, due_at=due, error=b"")], now=self.now)
            if parks:
                self._left(claim)
                changed = self.version[one] > self.version_at_claim[one]
                if changed:
                    assert (await self.harness.row(one))["state"] == "pending", "its next change had come"

    def _left(self, claim: Claim) -> None:
        if claim.run is not None and claim.run == self.run:
            self.awaited.discard(claim.external_id)

    async def crash(self) -> None:
        if self.chance.random() < 0.2:
            self.claimed.clear()
            self.read.clear()

    async def sync(self) -> None:
        """Take a step of a full sync."""
        harness = self.harness
        if self.run is None:
            self.awaited.clear()
            self.run = await harness.started(now=self.now)
            return
        present = await harness.newest()
        if present.state == "enumerating" and self.chance.random() < 0.7:
            ids = self.some()
            await harness.page(self.run, *ids, now=self.now, cursor="next")
            self.awaited.update(ids)
        elif present.state == "enumerating":
            await harness.enumerated(self.run, self.now)
        elif await harness.close(self.run, self.now):
            assert not self.awaited, "it ended before its last item"
            while (report := await harness.take()) is not None:
                await harness.confirm(report)
            self.run = None

    async def wait(self) -> None:
        self.now += self.chance.uniform(0, 30)

    async def check(self) -> None:
        rows = await self.harness.rows()
        for one in IDS:
            assert self.known[one] == self.version[one] or one in rows, f"{one} was lost"

    async def drain(self) -> None:
        """Have everything that can be worked on worked on, after a restart, and the run through to its end."""
        self.claimed.clear()
        self.read.clear()
        self.now += 1000.0
        await self.work()
        while self.run is not None:
            await self.harness.enumerated(self.run, self.now)
            await self.work()  # the end of an enumeration queues what was parked
            await self.sync()

    async def work(self) -> None:
        for lane in Lane:
            for claim in await self.harness.claim(self.now, lane):
                await self.harness.settle(done=[settled(claim)], now=self.now)
                self.known[claim.external_id] = self.version[claim.external_id]
                self._left(claim)


@pytest.mark.parametrize("_round", range(4))
async def test_nothing_recorded_is_ever_lost_and_the_newest_wins(harness: StorageHarness, _round: int) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201  pytest shows it with a failure
    world = World(harness, random.Random(seed))
    steps: list[Callable[[], Coroutine[Any, Any, None]]] = [
        world.change,
        world.claim,
        world.look,
        world.finish,
        world.fail,
        world.crash,
        world.sync,
        world.wait,
    ]
    for _ in range(300):
        await world.chance.choice(steps)()
        await world.check()
    await world.drain()
    parked = {one for one, row in (await harness.rows()).items() if row["state"] == "parked"}
    assert {one for one in IDS if world.known[one] != world.version[one]} <= parked
    assert set(await harness.rows()) == parked
