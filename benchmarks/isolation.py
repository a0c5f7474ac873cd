"""Delays of changes on twenty connections while one of them floods and another's SparkLayer hangs.

Each well-behaved connection edits a product, waits until the edit arrives at its site, pauses, and repeats this. The
time from the edit to its arrival includes webhook, debounce (short here, or it would hide the rest), read and push. It
is measured first in a quiet phase, then beside 2,000 webhooks per second of the first connection and a hanging site of
the second. The phases alternate several times, since a machine's speed varies.

The flood shares the stores' CPU as well as the daemon's, so the figures include the load on both.
"""

import gc
import json
import random
import sys
from collections.abc import Sequence
from functools import partial

import trio
from attrs import field, frozen

from benchmarks.load import LOADING, MEASURED, seat
from benchmarks.neighbours import Neighbour, open_stores
from benchmarks.platforms import BIGCOMMERCE, BenchPlatform
from benchmarks.processes import Daemon, open_daemon, until
from benchmarks.table import Figure
from daemon.sandbox import call

CONNECTIONS = 20
PRODUCTS = 5
PER_SECOND = 2_000
DEBOUNCE = 0.01
PAUSE = 0.5
"""Seconds between an arrival and the next edit, on average."""

TIMEOUT = 60.0
REGISTERING = 180.0
OPEN = """
    SELECT (SELECT count(*) FROM gaps WHERE kind = 'products')
         + (SELECT count(*) FROM full_syncs WHERE state <> 'ended')
"""
"""Full reads of products, waiting or under way, which delay every connection."""


@frozen(kw_only=True)
class Lateness:
    """Seconds from edit to arrival of every edit of a phase; and the answers to the flood's webhooks."""

    seconds: list[float] = field(factory=list)
    taken: int = 0
    refused: int = 0

    def at(self, share: float) -> float:
        """Return the delay that this share of the edits did not exceed."""
        return sorted(self.seconds)[min(int(len(self.seconds) * share), len(self.seconds) - 1)]


@frozen(kw_only=True)
class Measured:
    """Both phases, and the seed of the pauses."""

    alone: Lateness
    beside: Lateness
    seed: int


async def isolation(
    platform: BenchPlatform = BIGCOMMERCE,
    *,
    connections: int,
    per_second: float,
    seconds: float,
    rounds: int,
    after_reads: bool = True,
) -> Measured:
    """Alternate both phases, each for `seconds` in total; with `after_reads`, begin after registration's reads."""
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    alone, beside = [], []
    async with open_stores(connections, PRODUCTS, platform) as neighbours:
        first, *others = [neighbour.told for neighbour in neighbours]
        daemon_of = partial(open_daemon, first, beside=others, webhooks=True)
        async with daemon_of(debounce=DEBOUNCE, prepare=seat(MEASURED)) as daemon:
            await in_step(neighbours, daemon)
            if after_reads:  # those that begin 70 s after webhooks were registered
                await until(lambda: daemon.query(OPEN) == [(0,)], REGISTERING, pause=1.0)
            gc.freeze()  # the stores share this process with the clock of the edits
            for _ in range(rounds):
                alone.append(await edit_all(neighbours[2:], seconds / rounds, chance))
                beside.append(await _beside(neighbours, daemon, platform, per_second, seconds / rounds, chance))
    return Measured(alone=_sum(alone), beside=_sum(beside), seed=seed)


async def in_step(neighbours: Sequence[Neighbour], daemon: Daemon) -> None:
    """Sync every connection, and wait for its webhooks."""
    for neighbour in neighbours:
        await daemon.full_sync(site=f"test/{neighbour.site.site_id}")
    await until(lambda: all(len(neighbour.hooks) for neighbour in neighbours), REGISTERING)


async def _beside(
    neighbours: Sequence[Neighbour],
    daemon: Daemon,
    platform: BenchPlatform,
    per_second: float,
    seconds: float,
    chance: random.Random,
) -> Lateness:
    flooded, hanging, *others = neighbours
    words = (platform.name, daemon.port, f"test/{flooded.site.site_id}", per_second, seconds)
    command = [sys.executable, "-m", "benchmarks.load", "flood", *map(str, words)]
    async with hanging.site.faults.hold("*") as held, trio.open_nursery() as nursery:
        hanging.set_title(hanging.ids[0], f"Hangs {chance.random()}")
        await held.arrived()
        run = partial(trio.run_process, capture_stdout=True, preexec_fn=seat(LOADING))
        done: list[bytes] = []

        async def flood() -> None:
            done.append((await run(command)).stdout)

        nursery.start_soon(flood)
        found = await edit_all(others, seconds, chance)
    taken, refused = json.loads(done[0])
    return Lateness(seconds=found.seconds, taken=taken, refused=refused)


async def edit_all(neighbours: Sequence[Neighbour], seconds: float, chance: random.Random) -> Lateness:
    """Edit a product of every connection again and again for this many seconds; return the times to its arrival."""
    found = Lateness()
    over = trio.current_time() + seconds
    async with trio.open_nursery() as nursery:
        for neighbour in neighbours:
            nursery.start_soon(_edit, neighbour, over, chance, found.seconds)
    return found


async def _edit(neighbour: Neighbour, over: float, chance: random.Random, took: list[float]) -> None:
    """Edit a product and wait until its site has it, repeatedly."""
    arrived = trio.lowlevel.ParkingLot()
    rule = neighbour.site.faults.add("PATCH */products/*", call(lambda _: arrived.unpark_all()), after_effect=True)
    products, edited = neighbour.site.state.products, neighbour.ids[0]
    while trio.current_time() < over:
        await trio.sleep(chance.uniform(0, 2 * PAUSE))
        title = f"Edited {chance.random()}"
        began = trio.current_time()
        neighbour.set_title(edited, title)
        with trio.fail_after(TIMEOUT):
            while (held := products.find(str(edited))) is None or held.title != title:
                await arrived.park()
        took.append(trio.current_time() - began)
    neighbour.site.faults.remove(rule)


def _sum(phases: list[Lateness]) -> Lateness:
    return Lateness(
        seconds=[one for phase in phases for one in phase.seconds],
        taken=sum(phase.taken for phase in phases),
        refused=sum(phase.refused for phase in phases),
    )


async def measure(platform: BenchPlatform = BIGCOMMERCE, seconds: float = 30.0, rounds: int = 3) -> list[Figure]:
    """Measure both phases."""
    found = await isolation(platform, connections=CONNECTIONS, per_second=PER_SECOND, seconds=seconds, rounds=rounds)
    return figures(found, seconds)


def figures(found: Measured, seconds: float) -> list[Figure]:
    """Compare both phases of this many seconds. Raises RuntimeError if a webhook of the flood was refused."""
    alone, beside = found.alone, found.beside
    if beside.refused:
        raise RuntimeError(f"{beside.refused} webhooks of the flood were refused")
    return [
        Figure(f"{CONNECTIONS} connections, one flooding, one hanging"),
        Figure("  others' changes, p99 over p99 when all behave", f"{beside.at(0.99) / alone.at(0.99):.2f}", "", "1.5"),
        Figure("  p50, p99 when all behave, ms", f"{alone.at(0.5) * 1e3:.0f}, {alone.at(0.99) * 1e3:.0f}"),
        Figure("  p50, p99 beside the two, ms", f"{beside.at(0.5) * 1e3:.0f}, {beside.at(0.99) * 1e3:.0f}"),
        Figure("  edits timed", f"{len(alone.seconds) + len(beside.seconds):,}"),
        Figure("  webhooks/s of the flood, all acknowledged", f"{beside.taken / seconds:,.0f}", f"{PER_SECOND:,}"),
    ]
