"""`python -m tests.prove.cluster [--trials N] [--minutes N] [--rate N] [--seed N]`: nodes killed, suspended, cut off.

First takeovers of one connection, N of each kind, all kinds at once. Then many connections and a flood of webhooks,
while one node after the other is killed. `--rate` is the number of webhooks a second.
"""

import random
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median

import trio

from tests.postgres import Server, running
from tests.prove.cluster.nodes import open_nodes
from tests.prove.cluster.storm import PER_SECOND, storm
from tests.prove.cluster.takeover import CUT, EVENTS, NEVER_OVER, SYNC, TARGETS, Takeover, described, take_over
from tests.seed import arguments, say

LAST_LINES = 25


async def main(trials: int, minutes: float, rate: float, seed: int) -> None:
    """Run both parts; a failure ends with an error, and with the history of the trial."""
    chance, took = random.Random(seed), defaultdict[str, list[Takeover]](list)
    with running() as server, tempfile.TemporaryDirectory(prefix="ignite-sync-cluster-") as name:
        if trials:
            async with trio.open_nursery() as nursery:
                for event in EVENTS:
                    (Path(name) / event).mkdir()
                    own = random.Random(chance.random())
                    # One after the other: eight daemons that start at once keep each other waiting.
                    await nursery.start(_take_over, Path(name) / event, server, own, event, trials, took[event])
            for event, takeovers in took.items():
                say(f"{event}: {len(takeovers)} takeovers, least / median / most {described(takeovers)}")
            for event, takeovers in took.items():
                seconds = [takeover.written for takeover in takeovers]
                assert max(seconds) < NEVER_OVER, event
                assert median(seconds) < TARGETS[event], event
        if minutes:
            (Path(name) / "storm").mkdir()
            say(await storm(Path(name) / "storm", server, chance, seconds=minutes * 60, per_second=rate))


async def _take_over(
    folder: Path,
    server: Server,
    chance: random.Random,
    event: str,
    trials: int,
    took: list[Takeover],
    *,
    task_status: trio.TaskStatus[None],
) -> None:
    async with open_nodes(folder, server, chance, SYNC, connections=1, products=20, cut=event in CUT) as nodes:
        task_status.started()
        for number in range(trials):
            takeover = await take_over(nodes, event, at_call=number % 2 == 0)
            took.append(takeover)
            say(f"{event} {number + 1}: lease after {takeover.taken:.2f} s, first write after {takeover.written:.2f} s")
            if takeover.written > TARGETS[event]:
                for node in nodes.nodes:
                    say("\n".join((f"the node {node.name}:", *node.process.output.splitlines()[-LAST_LINES:])))


if __name__ == "__main__":
    given = arguments("tests.prove.cluster", __doc__, trials=20, minutes=5.0, rate=PER_SECOND)
    trio.run(main, given.trials, given.minutes, given.rate, given.seed)
