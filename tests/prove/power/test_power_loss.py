"""A webhook that was answered survives a loss of power, at whatever moment, whatever the disk makes of it.

The real process is recorded while webhooks come, a full sync runs, it is killed and stopped; then the disk is rebuilt
at hundreds of moments. Each rebuilt database must be whole, and every change acknowledged until then wait in its
outbox, or have arrived in SparkLayer. `make power IMAGES=5000` does it for as many moments as one likes.

Then in earnest: a living daemon is cut off, and the next one goes on with a rebuilt database, without help.
"""

import random
from itertools import chain
from pathlib import Path

import pytest

from tests.prove.power.loss import Finding, lose_power
from tests.prove.power.recording import record
from tests.prove.power.supply import PowerSupply, lose_power_often, open_supply
from tests.prove.power.trace import Synced

pytestmark = pytest.mark.timeout(300)

IMAGES = 300
"""Number of rebuilt disks."""
MANY = 20
"""Factor of `IMAGES` that is enough to find a loss, if there can be one."""
CUTS = 3
"""Number of times that a living daemon loses its power."""
MANY_CUTS = 60
"""So many are more than enough to lose something, if it can be lost: it takes five on average."""


async def test_what_was_acknowledged_survives_a_loss_of_power(tmp_path: Path, chance: random.Random) -> None:
    trace = await record(tmp_path, "FULL")
    findings = list(lose_power(trace, chance, tmp_path / "image", IMAGES))
    assert [finding for finding in findings if finding != Finding()] == []
    assert len(findings) == IMAGES
    forgetful = [event for event in trace if not isinstance(event, Synced)]
    findings = list(lose_power(forgetful, chance, tmp_path / "image", IMAGES // 3))
    assert [finding for finding in findings if finding.damage], "a disk that never syncs does damage, and it is seen"


async def test_with_less_than_full_synchronisation_it_would_not(tmp_path: Path, chance: random.Random) -> None:
    trace = await record(tmp_path, "NORMAL")
    findings = list(lose_power(trace, chance, tmp_path / "image", IMAGES))
    # On a busy machine there are few moments at which something can be lost.
    more = lose_power(trace, chance, tmp_path / "image", MANY * IMAGES)
    assert any(finding.lost for finding in chain(findings, more))
    assert [finding for finding in findings if finding.damage] == [], "SQLite promises that much"


async def test_it_goes_on_with_what_a_loss_of_power_left(tmp_path: Path, chance: random.Random) -> None:
    async with open_supply(tmp_path, chance, "FULL") as supply:
        await lose_power_often(supply, CUTS)


async def test_with_less_it_would_go_on_without_what_was_lost(tmp_path: Path, chance: random.Random) -> None:
    async with open_supply(tmp_path, chance, "NORMAL") as supply:
        with pytest.raises(AssertionError, match=r"acknowledged and lost|follows"):  # whichever is seen first
            await _lose_power_at_work(supply)


async def _lose_power_at_work(supply: PowerSupply) -> None:
    for _ in range(MANY_CUTS):
        await supply.fail(at_work=True)
