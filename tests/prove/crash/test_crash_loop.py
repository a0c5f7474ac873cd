"""The short form of the crash loop; `make crash SECONDS=600` runs it for as long as one likes."""

import random
from pathlib import Path

import pytest

from tests.prove.crash.loop import meet_any_moment, open_loop, visit_every_point
from tests.prove.crash.points import SWEEP
from tests.prove.simulation.stores.base import store_type

ELSEWHERE = ["woocommerce"]
"""Platforms of a shorter form: most points are the storage's, the same for every platform."""
OWN = ("webhook recorded, not committed", "webhook committed, not answered", *SWEEP)
"""Points at which a platform matters that sends no webhook twice."""
pytestmark = pytest.mark.timeout(600)


async def test_it_dies_at_every_point_and_loses_nothing(tmp_path: Path, chance: random.Random) -> None:
    async with open_loop(tmp_path, chance) as loop:
        await visit_every_point(loop)
        assert loop.observer.closings


async def test_it_dies_or_is_stopped_at_any_moment_and_loses_nothing(tmp_path: Path, chance: random.Random) -> None:
    async with open_loop(tmp_path, chance) as loop:
        await meet_any_moment(loop, deaths=6, stops=3)
        assert loop.merchant.diary.acknowledged, "else there was nothing to lose"


@pytest.mark.parametrize("platform", ELSEWHERE)
async def test_the_same_holds_on_other_platforms(tmp_path: Path, chance: random.Random, platform: str) -> None:
    async with open_loop(tmp_path, chance, store_type(platform)) as loop:
        await loop.drain()
        for point in OWN:
            await loop.die_at(point)
        await meet_any_moment(loop, deaths=2, stops=1)
        assert loop.merchant.diary.acknowledged, "else there was nothing to lose"
