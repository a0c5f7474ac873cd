"""`python -m tests.power [--images N] [--seed N]`: record the daemon once, and lose the power at so many moments."""

import argparse
import random
import sys
import tempfile
from pathlib import Path

import trio

from tests.power.loss import Verdict, lose_power
from tests.power.recording import record


def main(images: int, seed: int) -> int:
    """Say what became of each database; return the exit code."""
    with tempfile.TemporaryDirectory(prefix="ignite-sync-power-") as name:
        folder = Path(name)
        trace = trio.run(record, folder, "FULL")
        verdicts = list(lose_power(trace, random.Random(seed), folder / "image", images))
    bad = [verdict for verdict in verdicts if verdict != Verdict()]
    _say(f"{len(trace)} events recorded, {len(verdicts)} disks rebuilt, {len(bad)} damaged or with a loss")
    for verdict in bad[:10]:
        _say(f"  {verdict}")
    return 1 if bad else 0


def _say(words: str) -> None:
    sys.stderr.write(f"{words}\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.power", description=__doc__)
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    given = parser.parse_args()
    _say(f"seed {given.seed}")
    sys.exit(main(given.images, given.seed))
