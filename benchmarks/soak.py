"""Steady work for a long time, to find growth in the daemon's resources.

    python -m benchmarks.soak MINUTES [PLATFORM]

Several connections edit titles and prices, each one product at a time, about every second. Meanwhile the process is
measured from outside: memory, open files, threads, and the size of its database with its log. The report has the median
of the second tenth of the time, of the last tenth, and the maximum. The first tenth is left out, since caches fill and
the database reaches its size in it. Growth from the second tenth to the last by more than `ALLOWED` is named, and the
exit code is then 1. Each edit is waited for; one that does not arrive ends the soak with an error.

Run it for half an hour: in a few minutes memory may not have settled yet.
"""

import random
import statistics
import sys
from collections.abc import Mapping

import psutil
import trio
from attrs import define, field, frozen

from benchmarks.neighbours import Neighbour, open_stores
from benchmarks.platforms import BIGCOMMERCE, PLATFORMS, BenchPlatform
from benchmarks.processes import Daemon, open_daemon

CONNECTIONS = 5
PRODUCTS = 40
PAUSE = 0.5
"""Seconds between an arrival and a connection's next edit, on average."""

LOOK_EVERY = 2.0
TIMEOUT = 120.0
LEAST_MINUTES = 1.0
TENTHS = 10


@frozen(kw_only=True)
class Room:
    """Growth allowed between the second tenth and the last: a share, plus `amount`."""

    what: str
    unit: int
    share: float
    amount: float

    def most(self, early: float) -> float:
        """Return the largest value allowed in the last tenth."""
        return early * (1 + self.share) + self.amount


ALLOWED: Mapping[str, Room] = {
    "memory": Room(what="memory, MB", unit=2**20, share=0.05, amount=2 * 2**20),
    "files": Room(what="open files", unit=1, share=0.0, amount=2),
    "threads": Room(what="threads", unit=1, share=0.0, amount=2),
    "database": Room(what="database and its log, KiB", unit=2**10, share=0.05, amount=2**18),
}
"""By the names of `Look`. Half an hour reveals a leak of 450 bytes of memory per edit, or of 35 bytes in the file."""


@frozen(kw_only=True)
class Look:
    """Resources of the daemon at one moment."""

    memory: int
    files: int
    threads: int
    database: int

    @classmethod
    def at(cls, daemon: Daemon) -> "Look":
        """Measure the process and its files, in bytes."""
        process: psutil.Process = daemon.process
        parts = (daemon.database, daemon.database.with_name(f"{daemon.database.name}-wal"))
        return cls(
            memory=process.memory_info().rss,
            files=process.num_fds(),
            threads=process.num_threads(),
            database=sum(part.stat().st_size for part in parts if part.exists()),
        )


@define
class Soak:
    """Samples so far."""

    looks: list[Look] = field(factory=list)
    edits: int = 0

    def medians(self, name: str) -> list[float]:
        """Return the median of each tenth of the looks."""
        values = [float(getattr(look, name)) for look in self.looks]
        size = max(len(values) // TENTHS, 1)
        return [statistics.median(values[start : start + size]) for start in range(0, size * TENTHS, size)]


async def soak(minutes: float, platform: BenchPlatform = BIGCOMMERCE, *, connections: int = CONNECTIONS) -> Soak:
    """Work for the given time, and take samples."""
    seed = random.randrange(2**32)
    print(f"seed {seed}", file=sys.stderr)
    chance, found = random.Random(seed), Soak()
    async with open_stores(connections, PRODUCTS, platform) as neighbours:
        first, *others = [neighbour.told for neighbour in neighbours]
        async with open_daemon(first, debounce=0.05, webhooks=True, beside=others) as daemon:
            for neighbour in neighbours:
                await daemon.full_sync(site=f"test/{neighbour.site.site_id}")
            async with trio.open_nursery() as nursery:
                for neighbour in neighbours:
                    nursery.start_soon(_edit, neighbour, chance, found)
                with trio.move_on_after(minutes * 60):
                    while True:
                        found.looks.append(Look.at(daemon))
                        await trio.sleep(LOOK_EVERY)
                nursery.cancel_scope.cancel()
    return found


async def _edit(neighbour: Neighbour, chance: random.Random, found: Soak) -> None:
    """Edit an entity, and wait until the site equals the store."""
    state = neighbour.site.state
    while True:
        await trio.sleep(chance.uniform(0, 2 * PAUSE))
        number = chance.choice(neighbour.ids)
        title = f"Product {chance.random()}"
        if chance.random() < 0.5:  # noqa: PLR2004  half of the edits concern more than the product itself
            neighbour.set_price(number, round(chance.uniform(1, 100), 2))
        neighbour.set_title(number, title)
        with trio.fail_after(TIMEOUT):
            while (held := state.products.find(str(number))) is None or held.title != title:  # noqa: ASYNC110
                await trio.sleep(0.02)
        found.edits += 1


def report(found: Soak, minutes: float) -> str:
    """Return the table."""
    rows = [f"{f'{minutes:g} minutes, {found.edits:,} edits':<32}{'2nd tenth':>12}{'last':>12}{'most':>12}"]
    for name, room in ALLOWED.items():
        tenths = [value / room.unit for value in found.medians(name)]
        rows.append(f"{room.what:<32}{tenths[1]:>12,.1f}{tenths[-1]:>12,.1f}{max(tenths):>12,.1f}")
    return "\n".join(rows)


def grown(found: Soak) -> list[str]:
    """Name each resource that grew too much, a line each."""
    lines = []
    for name, room in ALLOWED.items():
        _, early, *_, late = found.medians(name)
        if late > room.most(early):
            lines.append(f"{room.what}: {late / room.unit:,.1f}, at most {room.most(early) / room.unit:,.1f} allowed")
    return lines


async def main(minutes: float, platform: BenchPlatform) -> int:
    """Soak and report; return the exit code."""
    found = await soak(minutes, platform)
    print(report(found, minutes))
    failures = grown(found)
    for line in failures:
        print(f"has grown: {line}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    if (wished := float(sys.argv[1])) < LEAST_MINUTES:
        sys.exit(f"a soak of less than {LEAST_MINUTES:g} minutes tells nothing")
    sys.exit(trio.run(main, wished, PLATFORMS[sys.argv[2]] if sys.argv[2:] else BIGCOMMERCE))
