"""The simulator's command line.

    python -m tests.prove.simulation --seeds 500          seeds 0 to 499; stops at the first that fails
    python -m tests.prove.simulation --seed 17 --trace    that one again, line by line
    python -m tests.prove.simulation --bug NAME           until a seed catches the planted bug
    ... --platform woocommerce                            with a store of another platform than BigCommerce
    ... --nodes 3                                         with so many nodes on one database, and bugs of theirs
    ... --nodes 3 --bug all --seeds 0                     each with the seed of the table alone

What a planted bug is caught by must have the words of the table of bugs, and the seed there is tried first.

A seed that fails is told with the command that repeats it. Exit code 1: one failed, or a bug was not caught.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import frozen

from tests.prove.simulation.steady import HASH_SEED

if TYPE_CHECKING:
    from tests.prove.simulation.simulator import Outcome
    from tests.prove.simulation.stores.base import StoreType

DEFAULT = "bigcommerce"
SHORT = 160
SEVERAL = 2
SHOWN = 40
"""So many lines of a failing run's trace are shown."""


def main() -> int:
    """Run what was asked for."""
    if os.environ.get("PYTHONHASHSEED") != HASH_SEED:
        # Only a new process can have another order of sets.
        command = [sys.executable, "-m", "tests.prove.simulation", *sys.argv[1:]]
        return subprocess.run(command, check=False, env={**os.environ, "PYTHONHASHSEED": HASH_SEED}).returncode
    given = _arguments()
    from tests.prove.simulation.stores.base import store_type  # noqa: PLC0415  not in the process that only starts another

    play = Play(store_type(given.platform), given.nodes)
    seeds = range(given.seeds) if given.seed is None else [given.seed]
    if given.bug:
        return _catch(play, play.bugs() if given.bug == ["all"] else given.bug, seeds)
    return _run(play, seeds, trace=given.trace, digests=given.digests)


@frozen
class Play:
    """The kind of run: with stores of one platform, and one life of the daemon at a time or several nodes."""

    store: "StoreType"
    nodes: int

    def simulate(self, seed: int, sink: Callable[[str], None] | None = None, until: str | None = None) -> "Outcome":
        """Play a seed; runs with several nodes end at the first breach that has the words `until`."""
        # Imported here: the process that only starts another one needs nothing of it.
        from tests.prove.simulation import simulator  # noqa: PLC0415
        from tests.prove.simulation.cluster import simulator as cluster  # noqa: PLC0415

        if self.nodes >= SEVERAL:
            return cluster.simulate(seed, self.store, self.nodes, sink, until)
        return simulator.simulate(seed, self.store, sink)

    def bugs(self) -> Mapping[str, Callable[[], Any]]:
        """Return the bugs that can be planted."""
        from tests.prove.simulation.bugs import every_bug  # noqa: PLC0415  the same
        from tests.prove.simulation.cluster.bugs import BUGS  # noqa: PLC0415

        return BUGS if self.nodes >= SEVERAL else every_bug(self.store)

    def found(self, bug: str) -> tuple[int, str]:
        """Return the seed that finds a bug, and words of the breach."""
        from tests.prove.simulation import bugs  # noqa: PLC0415  the same
        from tests.prove.simulation.cluster import bugs as cluster  # noqa: PLC0415

        return cluster.FOUND[bug] if self.nodes >= SEVERAL else {**bugs.FOUND, **self.store.found}[bug]

    def __str__(self) -> str:
        """Return the parameters of `make simulate`."""
        nodes = f" NODES={self.nodes}" if self.nodes >= SEVERAL else ""
        return nodes + ("" if self.store.platform == DEFAULT else f" PLATFORM={self.store.platform}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.prove.simulation", description=__doc__)
    parser.add_argument("--platform", default=DEFAULT, help="the platform of the store")
    parser.add_argument("--nodes", type=int, default=1, help="how many nodes share the database")
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds to run, from 0")
    parser.add_argument("--seed", type=int, help="the only seed to run")
    parser.add_argument("--bug", nargs="+", help="plant these bugs, or `all` of them, one after the other")
    parser.add_argument("--digests", action="store_true", help="print the hash of each run's trace")
    parser.add_argument("--trace", action="store_true", help="print all that happens")
    return parser.parse_args()


def _run(play: Play, seeds: Sequence[int], *, trace: bool, digests: bool) -> int:
    began = time.monotonic()
    calls = lives = 0
    for seed in seeds:
        outcome = play.simulate(seed, print if trace else None)
        calls, lives = calls + outcome.calls, lives + outcome.lives
        if outcome.breaches:
            print(*outcome.last[-SHOWN:], sep="\n")
            print(f"\nseed {seed} fails:", *outcome.breaches, sep="\n  ")
            print(f"\nagain: make simulate SEED={seed}{play}")
            return 1
        if digests:
            print(f"seed {seed} is good; its trace is {outcome.trace_hash}")
    seconds = time.monotonic() - began
    print(f"{len(seeds)} seeds are good: {lives} lives of the daemon, {calls} calls, {seconds:.0f} s")
    return 0


def _catch(play: Play, bugs: Iterable[str], seeds: Sequence[int]) -> int:
    """Plant bugs; tell which seed catches each, and by what."""
    missed = [bug for bug in bugs if not _caught(play, bug, seeds)]
    for bug in missed:
        print(f"{bug} was not caught within {len(seeds)} seeds")
    return 1 if missed else 0


def _caught(play: Play, bug: str, seeds: Sequence[int]) -> bool:
    first, breach = play.found(bug)
    for seed in dict.fromkeys([first, *seeds]):
        with play.bugs()[bug]():
            outcome = play.simulate(seed, until=breach)
        found = next((context for context in outcome.breaches if breach in context), None)
        if found is not None:
            print(f"{bug} is caught by seed {seed}: {found[:SHORT]}", flush=True)
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())
