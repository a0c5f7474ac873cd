"""The crash loop: one daemon after the other on the same database, each of which dies, and what must hold then.

Every life is the real process over real HTTP against the stand-ins, while a merchant edits the store. It ends by
SIGKILL at a named point or at a random moment, or by SIGTERM. After each, what was acknowledged must be in SparkLayer
or wait in the database; now and then a life is left alone until nothing waits, and then both sides must be equal
without any full sync, retry by a person, or complaint in the log.
"""

import contextlib
import json
import random
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import trio
from attrs import define, field
from trio.testing import wait_all_tasks_blocked

from daemon.sandbox import delay
from daemon.sandbox.post import Poster, Unanswered
from tests.e2e.process import ADMIN_TOKEN, GLANCE, SITE, TIMEOUT
from tests.prove.crash.harness import Harness, open_harness
from tests.prove.crash.merchant import Diary, Merchant
from tests.prove.crash.observer import Observer
from tests.prove.crash.points import CONNECT, FIRST, LEAVE, LIVE, RUN, SWEEP
from tests.prove.simulation.stores.base import StoreType
from tests.prove.simulation.stores.bigcommerce import STORE

KILLED = -signal.SIGKILL
PACE = 0.05
"""Seconds between two edits, on average."""
LONGEST_LIFE = 1.5
"""Seconds from the start of a process to the random moment of its death; it needs about half of them to begin."""
SLOWNESS = 0.03
"""Seconds that pass between some effects and their answers."""
SELDOM, OFTEN = 3600, 1
SYNC = {"debounce_seconds": 0.05, "debounce_max_seconds": 0.3, "sweep_seconds": SELDOM, "census_seconds": SELDOM}
PATIENCE = 4 * TIMEOUT
"""Seconds. A busy machine makes lives long and censuses rare: they take at most a tenth of the time."""
STOP_SECONDS = 25.0
"""So long a daemon may take to end after SIGTERM."""
NOISE = ("Traceback", "crashed", "broke the daemon", '"error"', '"critical"')
"""Words that a daemon has no reason to print when it was only killed."""


@define(eq=False)
class Loop:
    """One store, one site and one database, and the lives of the daemon between them."""

    folder: Path
    harness: Harness
    chance: random.Random
    merchant: Merchant
    observer: Observer
    poster: Poster = field(factory=Poster)
    connected: bool = True
    """Nothing that was acknowledged before the site was disconnected has to arrive: all is read when it is back."""
    entry: Sequence[str] = ("daemon",)
    """Entry module of a process that does not die at a named point."""
    lives: int = 0
    history: list[str] = field(factory=list)

    async def die_at(self, point: str, count: int = 1) -> None:
        """Start a daemon that dies when it comes to a point for the `count`th time, and see to it that it does."""
        if point in LEAVE:
            self.connected = self.merchant.removing = False
        self._set_sweep(OFTEN if point in SWEEP else SELDOM)
        async with self._life(f"{point}, {count}", "tests.prove.crash.doomed", point, str(count)):
            await self._stir(self._scene(point))
            assert await self.harness.process.wait() == KILLED

    async def die_sometime(self, then: Callable[[], object] = lambda: None, *, at_work: bool = False) -> None:
        """Start a daemon and kill it at a random moment, perhaps before it is `at_work`; `then` comes right after."""
        moment = self.chance.uniform(0, LONGEST_LIFE)
        async with self._life(f"SIGKILL after {moment:.3f} s", *self.entry), trio.open_nursery() as nursery:
            if at_work:
                await self.harness.process.ready()
            nursery.start_soon(self._stir, self._trigger)
            await trio.sleep(moment)
            await self.harness.process.kill()
            then()

    async def stop_sometime(self) -> None:
        """Start a daemon and end it by SIGTERM at a random moment at which it works."""
        moment = self.chance.uniform(0, LONGEST_LIFE / 2)
        async with (
            self._life(f"SIGTERM {moment:.3f} s after it was ready", *self.entry),
            trio.open_nursery() as nursery,
        ):
            await self.harness.process.ready()
            nursery.start_soon(self._stir, self._trigger)
            await trio.sleep(moment)
            began = trio.current_time()
            code = await self.harness.process.terminate()
            assert code == 0, f"{self.history}: SIGTERM ended it with {code}"
            assert trio.current_time() - began < STOP_SECONDS

    async def leave(self) -> None:
        """After it died while the site was disconnected: that goes on by itself, and leaves nothing."""
        h = self.harness
        async with self._rest("disconnect"):
            await self._disconnect()
            with trio.fail_after(TIMEOUT):
                while (await h.process.connection())["state"] != "gone":  # noqa: ASYNC110  a foreign process tells nobody
                    await trio.sleep(GLANCE)
            assert (h.premises.hooks, h.state.sync_log.logs) == ({}, {})

    async def drain(self) -> None:
        """Let a daemon work in peace until nothing waits: then all is equal, and nothing needs a person."""
        h = self.harness
        async with self._rest("drain", SELDOM if h.store_type.repeats else OFTEN):
            if (await h.process.connection())["state"] != "active":
                await self._connect()
            await h.hooked()
            for kind in (await h.process.connection())["kinds"]:
                await h.process.when(lambda now: bool(now["full_sync"]) and now["full_sync"]["state"] == "ended", kind)
            await h.settle()
            await self._catch_up()
            assert h.unequal == [], (self.history, h.unequal)
            for kind, now in (await h.process.connection())["kinds"].items():
                # Where sweeps run all the time, what they read anyway comes and goes.
                swept = not h.store_type.repeats and kind in h.store_type.swept_whole
                assert now["outbox"]["parked"] == 0, (kind, now)
                if not swept:
                    # A read that closes a gap may have just begun.
                    await h.process.when(lambda at: not at["outbox"]["live"] + at["outbox"]["backfill"], kind)
                assert now["full_sync"]["succeeded"], (kind, now)
        self.connected = self.merchant.removing = True
        self.merchant.contested.clear()
        noise = [context for context in h.process.output.splitlines() if any(word in context for word in NOISE)]
        assert noise == []

    @contextlib.asynccontextmanager
    async def _life(self, words: str, *entry: str) -> AsyncIterator[None]:
        """Let a process live that dies in the block, among edits; then what must hold of a dead one."""
        self.lives += 1
        self.history.append(words)
        self.harness.process.entry = entry
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.merchant.trade_on, PACE)
            await self.harness.process.launch()
            yield
            nursery.cancel_scope.cancel()
        await wait_all_tasks_blocked(0.01)  # what was on its way has its effect
        lost = self.connected and self.observer.lost(self.folder)
        assert not lost, f"{self.history}: acknowledged and lost: {lost}"
        assert not self.observer.complaints, f"{self.history}: {self.observer.complaints}"

    @contextlib.asynccontextmanager
    async def _rest(self, words: str, sweep: int = SELDOM) -> AsyncIterator[None]:
        """Let a process live that is left alone for the block, and ends by SIGTERM."""
        self.history.append(words)
        self._set_sweep(sweep)
        self.harness.process.entry = self.entry
        await self.harness.process.start()
        yield
        assert await self.harness.process.terminate() == 0
        assert not self.observer.complaints, f"{self.history}: {self.observer.complaints}"

    async def _catch_up(self) -> None:
        """Wait for what only a sweep and a census bring, on a platform that sends no webhook twice."""
        if not self.harness.store_type.repeats:
            with trio.move_on_after(PATIENCE):
                while self.harness.unequal:  # noqa: ASYNC110  a foreign process tells nobody
                    # A look takes as long as many requests, and this process serves both sides.
                    await trio.sleep(10 * GLANCE)
            await self.harness.settle()

    def _set_sweep(self, seconds: int) -> None:
        """Have the next life sweep so often. As a rule never: a sweep would bring what was lost."""
        config = self.harness.process.config
        text = re.sub(r"(sweep|census)_seconds = \d+", rf"\1_seconds = {seconds}", config.read_text("utf-8"))
        config.write_text(text, "utf-8")

    async def _stir(self, act: Callable[[], Awaitable[object]]) -> None:
        """Do `act` again and again until the process is dead."""
        with trio.fail_after(PATIENCE):
            while self.harness.process.living:
                with contextlib.suppress(Unanswered):
                    await act()
                await trio.sleep(GLANCE)

    def _scene(self, point: str) -> Callable[[], Awaitable[object]]:
        if point in RUN:
            return self._trigger
        if point in LEAVE:
            return self._disconnect
        return self._connect if point in CONNECT else trio.lowlevel.checkpoint

    async def _trigger(self) -> None:
        kind = self.chance.choice(["store", "products", "customers", "orders"])
        await self._ask("sync", {"kind": kind, "refresh": self.chance.random() < 0.3})

    async def _disconnect(self) -> None:
        await self._ask("disconnect", {})

    async def _connect(self) -> None:
        site = self.harness.site
        await self._ask("connect", {"client_id": site.client_id, "client_secret": site.client_secret})

    async def _ask(self, verb: str, what: Mapping[str, Any]) -> None:
        """Ask for something as an administrator. Raises Unanswered."""
        url = f"http://127.0.0.1:{self.harness.process.port}/admin/{verb}"
        headers = {"authorization": f"Bearer {ADMIN_TOKEN}"}
        await self.poster.post(url, headers, json.dumps({"site": SITE, **what}).encode())


@contextlib.asynccontextmanager
async def open_loop(folder: Path, chance: random.Random, store: StoreType = STORE) -> AsyncIterator[Loop]:
    """Open a harness with a store full of everything, by default BigCommerce's, and no daemon yet."""
    async with open_harness(folder, store, chance, SYNC) as harness:
        premises = harness.premises
        diary = Diary(clock=premises.store.clock, entity_of=premises.entity_of)
        merchant = Merchant(premises.trade, chance, diary, heard=harness.hears)
        premises.store.listen(diary.note)
        for side in (premises.api, harness.site):
            side.faults.add("*", delay(SLOWNESS), after_effect=True, probability=0.2)
        observer = Observer(harness, merchant)
        observer.watch()
        loop = Loop(folder, harness, chance, merchant, observer)
        try:
            yield loop
        finally:
            with trio.CancelScope(shield=True):
                await loop.poster.aclose()


async def visit_every_point(loop: Loop) -> None:
    """Die at every named point, in an order in which each can be reached."""
    for point in FIRST:
        await loop.die_at(point)
    await loop.drain()
    middle = [*RUN, *LIVE, *SWEEP]
    loop.chance.shuffle(middle)
    for number, point in enumerate(middle, 1):
        await loop.die_at(point, loop.chance.randrange(1, 3))
        if number % 12 == 0:
            await loop.drain()
    await loop.drain()
    for point in LEAVE:
        await loop.die_at(point)
    await loop.leave()
    for point in CONNECT:
        await loop.die_at(point)
    await loop.drain()


async def meet_any_moment(loop: Loop, deaths: int, stops: int) -> None:
    """Die at so many random moments, every other one at work, and be stopped at so many, all mixed."""
    ends: list[Callable[[], Awaitable[None]]] = [loop.stop_sometime] * stops
    ends += [partial(loop.die_sometime, at_work=number % 2 == 0) for number in range(deaths)]
    loop.chance.shuffle(ends)
    for number, end in enumerate(ends, 1):
        await end()
        if number % 6 == 0:
            await loop.drain()
    await loop.drain()
