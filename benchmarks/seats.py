"""CPUs of a benchmark's processes: the measured one has a CPU of its own, its load another.

A Python process runs on one CPU at a time anyway. Left to wander beside its load, its threads wait for each other
across CPUs, and the same code gives 10 to 20 % less from one run to the next.
"""

import os
from collections.abc import Callable
from functools import partial

MEASURED, LOADING = 0, 1


def seat(place: int) -> Callable[[], None]:
    """Return what a child process must call to sit on the CPU of a place; on a machine with one it shares that."""
    cpus = sorted(os.sched_getaffinity(0))
    return partial(os.sched_setaffinity, 0, {cpus[place % len(cpus)]})
