"""One process per processor, each with a database of its own, for the trials of many pairs."""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from multiprocessing.queues import SimpleQueue

from daemon.model import Secret
from tests.postgres import Server
from tests.prove.interleavings.trial import Bench, Name

_bench: Bench
"""The one of this process."""


def tried(server: Server, pairs: Sequence[Name], *, long: bool) -> Iterator[tuple[int, list[str]]]:
    """Try pairs; yield for each the number of orders, and the descriptions of those that ended wrongly."""
    # A fork would share this process's connections.
    context = multiprocessing.get_context("spawn")
    number = len(os.sched_getaffinity(0))
    with ExitStack() as stack:
        urls: SimpleQueue[Secret] = context.SimpleQueue()
        for _ in range(number):
            urls.put(stack.enter_context(server.database()))
        pool = stack.enter_context(ProcessPoolExecutor(number, context, _begin, (urls,)))
        yield from pool.map(partial(_try, long=long), pairs)


def _begin(urls: SimpleQueue[Secret]) -> None:
    global _bench  # noqa: PLW0603  a pool hands its tasks nothing else
    _bench = Bench(urls.get())


def _try(names: Name, *, long: bool) -> tuple[int, list[str]]:
    before = _bench.trials
    found = [str(wrong) for wrong in _bench.wrong(names, long=long)]
    return _bench.trials - before, found
