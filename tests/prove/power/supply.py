"""Cuts the power of the daemon's machine while it works, and has it started again on what its disk makes of that.

The lives are those of the crash loop, among edits, and what must hold after each is said there. But each is recorded,
and where a process dies, the database that it leaves is replaced by one that may be on the disk then: so what counts
as acknowledged and not lost must wait in *that* file, and a daemon that nobody helps must bring it to SparkLayer.
"""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from attrs import define, field

from tests.prove.crash.loop import Loop, open_loop
from tests.prove.power.disk import Disk
from tests.prove.power.trace import read_trace
from tests.prove.simulation.stores.base import StoreType
from tests.prove.simulation.stores.bigcommerce import STORE

ENDINGS = ("", "-wal", "-shm", "-journal")


@define(eq=False)
class PowerSupply:
    """The power of the machine; its disk is known as long as every life is recorded into `trace`."""

    loop: Loop
    trace: Path
    disk: Disk = field(factory=Disk)

    async def fail(self, *, at_work: bool = False) -> None:
        """Cut the power at a random moment of a life, and see to it that nothing acknowledged is lost with it."""
        await self.loop.die_sometime(self._lose_what_is_not_synced, at_work=at_work)

    def _lose_what_is_not_synced(self) -> None:
        if self.trace.exists():  # it may die before it opens anything
            for event in read_trace(self.trace):
                self.disk.apply(event)
            self.trace.unlink()
        database = self.loop.harness.process.database
        files = [database.with_name(database.name + ending) for ending in ENDINGS]
        for file in files:
            file.unlink(missing_ok=True)
        self.disk.lose_power(self.loop.chance, database.parent)
        self.disk = Disk.of(file for file in files if file.exists())


@asynccontextmanager
async def open_supply(
    folder: Path, chance: random.Random, level: str, store: StoreType = STORE
) -> AsyncIterator[PowerSupply]:
    """Open a crash loop whose lives are recorded, with a database at a level of `synchronous`."""
    async with open_loop(folder, chance, store) as loop:
        supply = PowerSupply(loop, folder / "trace")
        loop.entry = ("tests.prove.power.recorder", str(supply.trace), level)
        yield supply


async def lose_power_often(supply: PowerSupply, times: int) -> None:
    """Cut the power so many times; left in peace after each, the next daemon must end with both sides equal."""
    for _ in range(times):
        await supply.fail()
        await supply.loop.drain()
