"""A smoke test of each machine in `tests/prove`: it runs, and finds nothing. `make prove` goes further."""

import random
import re
from pathlib import Path

import pytest

from tests.prove.crash.loop import meet_any_moment, open_loop
from tests.prove.power.loss import Finding, lose_power
from tests.prove.power.recording import record
from tests.prove.simulation.test_simulation import python, simulation

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("platform", ["bigcommerce", "woocommerce"])
def test_the_simulator_finds_nothing_in_a_seed(platform: str) -> None:
    code, words = simulation("--platform", platform, "--seeds", "1")
    assert code == 0, words
    assert "1 seeds are good" in words


def test_the_walk_finds_nothing_after_one_odd_answer_of_every_operation() -> None:
    code, words = python("-m", "tests.prove.simulation.walk", "--answer", "404 html", "--times", "3")
    assert code == 0, words
    assert re.search(r"^1 walks over \d+ operations, 0 failed", words, re.MULTILINE)


async def test_a_death_and_a_stop_lose_nothing(tmp_path: Path, chance: random.Random) -> None:
    async with open_loop(tmp_path, chance) as loop:
        await meet_any_moment(loop, deaths=1, stops=1)


async def test_a_loss_of_power_loses_nothing(tmp_path: Path, chance: random.Random) -> None:
    trace = await record(tmp_path, "FULL", webhooks=40)
    findings = list(lose_power(trace, chance, tmp_path / "image", 20))
    assert findings == [Finding()] * 20
