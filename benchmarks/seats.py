"""Assigns CPUs to a benchmark's processes: one to the measured process, another to its load.

A Python process runs on one CPU at a time anyway. Without a fixed CPU, its threads wait for each other across CPUs, and
results of the same code vary by 10 to 20 %.
"""

import os
from collections.abc import Callable
from functools import partial

MEASURED, LOADING = 0, 1


def seat(place: int) -> Callable[[], None]:
    """Return the function with which a child process takes its CPU; on a machine with one CPU all share it."""
    cpus = sorted(os.sched_getaffinity(0))
    return partial(os.sched_setaffinity, 0, {cpus[place % len(cpus)]})
