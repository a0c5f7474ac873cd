"""Runs one seed with several nodes, from its beginning to its verdict.

Each node is a life of the real daemon, composed as by `daemon.composition`, with the real leases, fence, last words and
wake-ups. They share one database in memory, one network and one virtual time, so a run depends on its seed alone.

Not shown: transactions of several nodes between each other's statements, and locks that a node holds while it stands
still (`tests.prove.interleavings` and the crash loop have PostgreSQL itself); a failover of the server that loses
commits other than that of a takeover; throttles, whose limits the runs with one life try; and more connections with
work than one. A node that has stood still for long is not killed before its last word: that gap is known.
"""

import io
from collections.abc import Callable
from functools import partial
from unittest import mock

import trio

import daemon.engine.gaps
import daemon.storage.gaps
from daemon.engine.pipeline import Pipeline
from tests.prove.simulation.audit import watch_work
from tests.prove.simulation.cluster.storm import storm
from tests.prove.simulation.cluster.world import ClusterWorld
from tests.prove.simulation.ending import look_at_log, quiet
from tests.prove.simulation.simulator import Outcome, logging_to, outcome_of, small_scale
from tests.prove.simulation.steady import Clock, steady
from tests.prove.simulation.stores.base import StoreType
from tests.prove.simulation.trace import Trace

GAP_SECONDS = 120.0
"""Seconds between two readings that close gaps: an hour in which nodes only beat would take longer than the rest."""


def simulate(
    seed: int, store: StoreType, nodes: int, sink: Callable[[str], None] | None = None, until: str | None = None
) -> Outcome:
    """Play a run with so many nodes. It ends at the first breach that has the words `until`."""
    log = io.StringIO()
    with (
        steady(seed) as clock,
        small_scale(store),
        logging_to(log),
        mock.patch.object(daemon.engine.gaps, "HOUR", GAP_SECONDS),
        mock.patch.object(daemon.storage.gaps, "HOUR", GAP_SECONDS),
    ):
        trace = Trace(clock.now, sink)
        return trio.run(partial(_play, seed, store, nodes, clock, trace, log, until=until), clock=clock.ticks)


async def _play(
    seed: int, store: StoreType, nodes: int, clock: Clock, trace: Trace, log: io.StringIO, *, until: str | None
) -> Outcome:
    async with trio.open_nursery() as nursery:
        world = ClusterWorld.found(seed, store, clock, trace, nursery, nodes)
        trace.add("plan", world.plan)
        if until is not None:
            nursery.start_soon(_end_at_breach, world, until, nursery)
        with mock.patch.object(Pipeline, "work", watch_work(world.audit, Pipeline.work)), world.composed():
            for machine in world.machines:
                nursery.start_soon(world.run_machine, machine)
            nursery.start_soon(world.watch)
            async with trio.open_nursery() as events:
                await storm(world, events)
            await quiet(world)
            world.over = True
            nursery.cancel_scope.cancel()
    look_at_log(world, log.getvalue())
    counts = world.cluster_audit
    trace.add("stale", counts.stale, "fenced", counts.refused_writes, "expelled", len(counts.expelled))
    return outcome_of(world, log.getvalue())


async def _end_at_breach(world: ClusterWorld, words: str, nursery: trio.Nursery) -> None:
    while not any(words in breach for breach in world.audit.breaches):  # noqa: ASYNC110  noted by many
        await trio.sleep(1)
    world.over = True
    world.calm()  # a life that stands still could not end
    nursery.cancel_scope.cancel()
