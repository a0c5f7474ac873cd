"""`python -m tests.crash [--seconds N] [--seed N]`: the crash loop for so long, and then what it did.

A seed gives the same edits, points and moments; what falls into a moment is up to the machine.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path

import trio

from tests.crash.loop import Loop, meet_any_moment, open_loop, visit_every_point

ROUND = (12, 4)
"""Deaths and stops at random moments between two visits of every point."""


async def main(seconds: float, seed: int) -> None:
    """Run loops on new databases until the time is over; the one that runs then is carried to its end."""
    until = trio.current_time() + seconds
    chance = random.Random(seed)
    lives = edits = closings = loops = 0
    while not loops or trio.current_time() < until:
        with tempfile.TemporaryDirectory(prefix="ignite-sync-crash-") as folder:
            async with open_loop(Path(folder), chance) as loop:
                await _run(loop, until)
                loops, lives = loops + 1, lives + loop.lives
                edits, closings = edits + loop.merchant.diary.number, closings + loop.witness.closings
        _say(f"{loops} databases, {lives} deaths and stops, {edits} edits, {closings} ends of full syncs told")
    _say("nothing acknowledged was lost, nothing was told too early, nothing waits for a person")


async def _run(loop: Loop, until: float) -> None:
    await visit_every_point(loop)
    if trio.current_time() < until:
        await meet_any_moment(loop, *ROUND)


def _say(words: str) -> None:
    sys.stderr.write(f"{words}\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    given = parser.parse_args()
    _say(f"seed {given.seed}: repeat it with --seed {given.seed}")
    trio.run(main, given.seconds, given.seed)
