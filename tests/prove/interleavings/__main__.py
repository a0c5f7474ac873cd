"""`python -m tests.prove.interleavings [--short] [TEXT]`: every pair in every order with two changes of hands.

A change of hands is a statement of the other transaction. TEXT chooses the pairs with an operation of that name. Ends
with 1 if an order ended wrongly.
"""

import argparse
import sys
import time

from tests.postgres import SETTINGS, running
from tests.prove.interleavings.trial import pairs
from tests.prove.interleavings.workers import tried
from tests.seed import say


def main(text: str, *, long: bool) -> int:
    """Try the pairs on a server of their own; return the exit code."""
    chosen = [names for names in pairs() if not text or text in names]
    began, orders, faults = time.monotonic(), 0, 0
    with running((*SETTINGS, "deadlock_timeout=20ms")) as server:
        for number, found in tried(server, chosen, long=long):
            orders += number
            faults += len(found)
            for wrong in found:
                say(wrong)
    say(f"{len(chosen)} pairs, {orders} orders, {faults} wrong, {time.monotonic() - began:.0f} s")
    return 1 if faults else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.prove.interleavings", description=__doc__)
    parser.add_argument("--short", action="store_true", help="one change of hands, as in make prove")
    parser.add_argument("text", nargs="?", default="")
    options = parser.parse_args()
    sys.exit(main(options.text, long=not options.short))
