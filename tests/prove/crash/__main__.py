"""`python -m tests.prove.crash [--seconds N] [--seed N] [--platform P]`: the crash loop, and then what it did.

A seed gives the same edits, points and moments; what falls into a moment is up to the machine.
"""

import random
import tempfile
from pathlib import Path

import trio

from tests.prove.crash.loop import Loop, meet_any_moment, open_loop, visit_every_point
from tests.prove.simulation.stores.base import DEFAULT, store_type
from tests.seed import arguments, say

ROUND = (12, 4)
"""Deaths and stops at random moments between two visits of every point."""


async def main(seconds: float, seed: int, platform: str) -> None:
    """Run loops on new databases until the time is over; the one that runs then is carried to its end."""
    until = trio.current_time() + seconds
    chance = random.Random(seed)
    lives = edits = closings = loops = 0
    while not loops or trio.current_time() < until:
        with tempfile.TemporaryDirectory(prefix="ignite-sync-crash-") as folder:
            async with open_loop(Path(folder), chance, store_type(platform)) as loop:
                await _run(loop, until)
                loops, lives = loops + 1, lives + loop.lives
                edits, closings = edits + loop.merchant.diary.number, closings + loop.observer.closings
        say(f"{loops} databases, {lives} deaths and stops, {edits} edits, {closings} ends of full syncs told")
    say("nothing acknowledged was lost, nothing was told too early, nothing waits for a person")


async def _run(loop: Loop, until: float) -> None:
    await visit_every_point(loop)
    if trio.current_time() < until:
        await meet_any_moment(loop, *ROUND)


if __name__ == "__main__":
    given = arguments("tests.prove.crash", __doc__, seconds=60.0, platform=DEFAULT)
    trio.run(main, given.seconds, given.seed, given.platform)
