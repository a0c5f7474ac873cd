"""The simulator's command line.

    python -m tests.prove.simulation --seeds 500          seeds 0 to 499; stops at the first that fails
    python -m tests.prove.simulation --seed 17 --trace    that one again, line by line
    python -m tests.prove.simulation --bug NAME           until a seed catches the planted bug
    ... --platform woocommerce                            with a store of another platform than BigCommerce
    ... --first 17 --breach "wrote"                 beginning with this seed; what it tells must have these words

A seed that fails is told with the command that repeats it. Exit code 1: one failed, or a bug was not caught.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tests.prove.simulation.steady import HASH_SEED

if TYPE_CHECKING:
    from tests.prove.simulation.stores.base import StoreType

DEFAULT = "bigcommerce"
SHORT = 160
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

    store = store_type(given.platform)
    seeds = range(given.seeds) if given.seed is None else [given.seed]
    if given.bug is not None:
        first = [] if given.first is None else [given.first]
        return _catch(store, given.bug, list(dict.fromkeys([*first, *seeds])), given.breach)
    return _run(store, seeds, trace=given.trace, digests=given.digests)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.prove.simulation", description=__doc__)
    parser.add_argument("--platform", default=DEFAULT, help="the platform of the store")
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds to run, from 0")
    parser.add_argument("--seed", type=int, help="the only seed to run")
    parser.add_argument("--bug", help="plant this bug, or `all` of them one after the other")
    parser.add_argument("--first", type=int, help="the seed to try a planted bug with before all others")
    parser.add_argument("--breach", default="", help="words of the breach that a planted bug must be caught by")
    parser.add_argument("--digests", action="store_true", help="print the hash of each run's trace")
    parser.add_argument("--trace", action="store_true", help="print all that happens")
    return parser.parse_args()


def _run(store: "StoreType", seeds: Sequence[int], *, trace: bool, digests: bool) -> int:
    from tests.prove.simulation.simulator import simulate  # noqa: PLC0415  not in the process that only starts another

    began = time.monotonic()
    calls = lives = 0
    for seed in seeds:
        outcome = simulate(seed, store, print if trace else None)
        calls, lives = calls + outcome.calls, lives + outcome.lives
        if outcome.breaches:
            print(*outcome.last[-SHOWN:], sep="\n")
            print(f"\nseed {seed} fails:", *outcome.breaches, sep="\n  ")
            print(f"\nagain: make simulate SEED={seed}" + _given(store))
            return 1
        if digests:
            print(f"seed {seed} is good; its trace is {outcome.trace_hash}")
    seconds = time.monotonic() - began
    print(f"{len(seeds)} seeds are good: {lives} lives of the daemon, {calls} calls, {seconds:.0f} s")
    return 0


def _given(store: "StoreType") -> str:
    return "" if store.platform == DEFAULT else f" PLATFORM={store.platform}"


def _catch(store: "StoreType", name: str, seeds: Sequence[int], breach: str) -> int:
    """Plant bugs; tell which seed catches each, and by what."""
    from tests.prove.simulation.bugs import every_bug  # noqa: PLC0415  not in the process that only starts another

    missed = [bug for bug in (every_bug(store) if name == "all" else [name]) if not _caught(store, bug, seeds, breach)]
    for bug in missed:
        print(f"{bug} was not caught within {len(seeds)} seeds")
    return 1 if missed else 0


def _caught(store: "StoreType", bug: str, seeds: Sequence[int], breach: str) -> bool:
    from tests.prove.simulation.bugs import every_bug  # noqa: PLC0415  not in the process that only starts another
    from tests.prove.simulation.simulator import simulate  # noqa: PLC0415  the same

    for seed in seeds:
        with every_bug(store)[bug]():
            outcome = simulate(seed, store)
        found = next((context for context in outcome.breaches if breach in context), None)
        if found is not None:
            print(f"{bug} is caught by seed {seed}: {found[:SHORT]}", flush=True)
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())
