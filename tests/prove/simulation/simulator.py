"""Runs one seed from its beginning to its verdict."""

import contextlib
import io
import logging
from collections.abc import Callable, Iterator
from unittest import mock

import structlog
import trio
from attrs import frozen

from daemon.engine.pipeline import Pipeline
from daemon.observability.logging import configure
from daemon.storage import removals
from tests.prove.simulation.audit import watch_work
from tests.prove.simulation.ending import look_at_log, quiet
from tests.prove.simulation.events import storm
from tests.prove.simulation.steady import Clock, steady
from tests.prove.simulation.stores.base import StoreType
from tests.prove.simulation.trace import Trace
from tests.prove.simulation.world import SMALL_KIND, World


@frozen(kw_only=True)
class Outcome:
    """Result of a run; it is good without `breaches`. Runs of one seed have one `digest`."""

    seed: int
    breaches: list[str]
    trace_hash: str
    last: list[str]
    log: str
    calls: int
    seconds: float
    lives: int


def simulate(seed: int, store: StoreType, sink: Callable[[str], None] | None = None) -> Outcome:
    """Play a run with a store of one platform. `sink` gets each line of its trace."""
    log = io.StringIO()
    with steady(seed) as clock, small_scale(store), logging_to(log):
        trace = Trace(clock.now, sink)
        return trio.run(_play, seed, store, clock, trace, log, clock=clock.ticks)


async def _play(seed: int, store: StoreType, clock: Clock, trace: Trace, log: io.StringIO) -> Outcome:
    async with trio.open_nursery() as nursery:
        world = World.build(seed, store, clock, trace, nursery)
        trace.add("plan", world.plan)
        with mock.patch.object(Pipeline, "work", watch_work(world.audit, Pipeline.work)):
            nursery.start_soon(world.keep_alive)
            async with trio.open_nursery() as events:
                await storm(world, events)
            await quiet(world)
            world.over = True
            nursery.cancel_scope.cancel()
    look_at_log(world, log.getvalue())
    return outcome_of(world, log.getvalue())


def outcome_of(world: World, log: str) -> Outcome:
    """Return the verdict of a run that is over."""
    return Outcome(
        seed=world.seed,
        breaches=world.audit.breaches,
        trace_hash=world.trace.trace_hash,
        last=list(world.trace.last),
        log=log,
        calls=world.audit.calls.total(),
        seconds=world.clock.now(),
        lives=world.lives,
    )


@contextlib.contextmanager
def small_scale(store: StoreType) -> Iterator[None]:
    """Have lists come in pages of a few entities, and the brake count from few on."""
    with (
        store.small_scale(),
        mock.patch.object(removals, "SMALL_KIND", SMALL_KIND),
    ):
        yield


@contextlib.contextmanager
def logging_to(log: io.StringIO, level: str = "debug") -> Iterator[None]:
    """Have the daemon log to `log`."""
    root = logging.getLogger()
    handlers, former = list(root.handlers), root.level
    configure(level, log)
    try:
        yield
    finally:
        structlog.reset_defaults()
        logging.captureWarnings(capture=False)
        root.handlers[:] = handlers
        root.setLevel(former)
