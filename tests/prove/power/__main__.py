"""`python -m tests.prove.power [--images N] [--cuts N] [--seed N] [--platform P]`: lose the power, and go on.

The daemon is recorded once and the disk rebuilt at so many moments; then the power of a living one is cut so often,
and the next one goes on with what the disk has. The living one has a store of the platform.
"""

import random
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

from tests.prove.power.loss import Finding, lose_power
from tests.prove.power.recording import record
from tests.prove.power.supply import lose_power_often, open_supply
from tests.prove.simulation.stores.base import DEFAULT, StoreType, store_type
from tests.seed import arguments, say

ROUND = 6
"""Cuts between two new databases: the first of them may come before there is a schema."""


def main(images: int, cuts: int, seed: int, platform: str) -> int:
    """Say what became of each database; return the exit code."""
    chance = random.Random(seed)
    with _folder() as folder:
        trace = trio.run(record, folder, "FULL")
        findings = list(lose_power(trace, chance, folder / "image", images))
    bad = [finding for finding in findings if finding != Finding()]
    say(f"{len(trace)} events recorded, {len(findings)} disks rebuilt, {len(bad)} damaged or with a loss")
    for finding in bad[:10]:
        say(f"  {finding}")
    trio.run(_cut_often, cuts, chance, store_type(platform))
    return 1 if bad else 0


async def _cut_often(cuts: int, chance: random.Random, store: StoreType) -> None:
    edits = 0
    for done in range(0, cuts, ROUND):
        with _folder() as folder:
            async with open_supply(folder, chance, "FULL", store) as supply:
                await lose_power_often(supply, min(ROUND, cuts - done))
                edits += supply.loop.merchant.diary.number
    say(f"{cuts} times cut off and started again, among {edits} edits: nothing acknowledged was lost")


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ignite-sync-power-") as name:
        yield Path(name)


if __name__ == "__main__":
    given = arguments("tests.prove.power", __doc__, images=3000, cuts=6, platform=DEFAULT)
    sys.exit(main(given.images, given.cuts, given.seed, given.platform))
