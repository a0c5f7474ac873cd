"""The daemon survives everything that the simulator does to it, and a run can be repeated exactly."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.prove.simulation.steady import HASH_SEED

ROOT = Path(__file__).parents[3]
SEEDS = 25
ELSEWHERE = {"woocommerce": 5}
"""Number of seeds with the stores of other platforms."""
REPEATED = 2
REPORTED = (263,)
"""Seeds beyond `SEEDS` that were reported as failing, by a false alarm of the simulator."""


def simulation(*arguments: str, hash_seed: str = HASH_SEED) -> tuple[int, str]:
    """Run the simulator in a process of its own; return its exit code and what it printed.

    With another hash seed, it starts a second process.
    """
    return python("-m", "tests.prove.simulation", *arguments, hash_seed=hash_seed)


def python(*arguments: str, hash_seed: str = HASH_SEED) -> tuple[int, str]:
    """Run Python in a process of its own; return its exit code and what it printed."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, env=environment)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.timeout(900)
def test_it_survives_every_seed() -> None:
    code, words = simulation("--seeds", str(SEEDS))
    assert code == 0, words
    assert f"{SEEDS} seeds are good" in words


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("platform", "seeds"), ELSEWHERE.items())
def test_it_survives_every_seed_on_other_platforms(platform: str, seeds: int) -> None:
    code, words = simulation("--platform", platform, "--seeds", str(seeds))
    assert code == 0, words
    assert f"{seeds} seeds are good" in words


@pytest.mark.parametrize("seed", REPORTED)
def test_a_seed_that_was_a_false_alarm_is_good(seed: int) -> None:
    code, words = simulation("--seed", str(seed))
    assert code == 0, words


def test_a_seed_repeats_exactly_whatever_the_process() -> None:
    code, first = simulation("--seed", str(REPEATED), "--trace", hash_seed="77")
    assert code == 0, first
    again = simulation("--seed", str(REPEATED), "--trace", hash_seed="random")[1]
    assert first.splitlines()[:-1] == again.splitlines()[:-1], "all but the seconds it took"


def test_a_seed_repeats_exactly_whatever_ran_before_and_seeds_differ() -> None:
    every = traces(*simulation("--seeds", "3", "--digests"))
    assert len(set(every.values())) == len(every) == 3
    assert traces(*simulation("--seed", "2", "--digests")) == {"2": every["2"]}


FAILING = """
import sys
from tests.prove.simulation.__main__ import main
from tests.prove.simulation.bugs import BUGS

with BUGS["acknowledge-before-commit"]():
    sys.exit(main())
"""


def test_a_seed_that_fails_is_told_with_what_repeats_it() -> None:
    code, words = python("-c", FAILING, "--seeds", str(SEEDS))
    assert code == 1, words
    [seed] = re.findall(r"^again: make simulate SEED=(\d+)$", words, re.MULTILINE)
    assert f"\nseed {seed} fails:\n  a webhook was accepted before it was committed" in words
    assert re.search(r"^ +\d+\.\d+ [<>] (shop|site) ", words, re.MULTILINE), "the end of its trace"


def traces(code: int, words: str) -> dict[str, str]:
    """Return the hash of the trace of each seed."""
    assert code == 0, words
    return dict(re.findall(r"seed (\d+) is good; its trace is ([0-9a-f]{16})", words))
