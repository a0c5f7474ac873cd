"""The short form of the crash loop; `make crash SECONDS=600` runs it for as long as one likes."""

import random
from pathlib import Path

import pytest

from tests.prove.crash.loop import meet_any_moment, open_loop, visit_every_point
from tests.prove.simulation.stores.base import store_type

PLATFORMS = ["bigcommerce"]
pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_it_dies_at_every_point_and_loses_nothing(tmp_path: Path, chance: random.Random, platform: str) -> None:
    async with open_loop(tmp_path, chance, store_type(platform)) as loop:
        await visit_every_point(loop)
        assert loop.observer.closings


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_it_dies_or_is_stopped_at_any_moment_and_loses_nothing(
    tmp_path: Path, chance: random.Random, platform: str
) -> None:
    async with open_loop(tmp_path, chance, store_type(platform)) as loop:
        await meet_any_moment(loop, deaths=6, stops=3)
        assert loop.merchant.diary.acknowledged, "else there was nothing to lose"
