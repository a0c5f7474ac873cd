"""Full syncs on a bench, with their reports to SparkLayer, and optionally an actor and a sweep."""

import contextlib
from collections.abc import AsyncIterator

import trio

from daemon.engine.actor import Actor
from daemon.engine.full_sync import FullSyncs
from daemon.engine.pipeline import MOST_ATTEMPTS
from daemon.engine.sweep import Sweep
from daemon.engine.sync_log import SyncLogWriter
from daemon.errors import Side
from daemon.storage import full_syncs
from daemon.storage.settle import RetryLater
from tests.engine.fakes import EPOCH, Bench, product


def fill(bench: Bench, number: int) -> None:
    """Put products into the store, each with a variant."""
    bench.shop.put(*(product(str(n), {f"{n}1": f"S{n}"}) for n in range(1, number + 1)))


async def use_up_retries(bench: Bench) -> None:
    """Retry the only change until two attempts are left."""
    for attempt in range(MOST_ATTEMPTS - 2):
        [claim] = await bench.harness.claim(EPOCH)
        assert claim.attempts == attempt
        await bench.harness.settle(again=[RetryLater(claim=claim, due_at=EPOCH, error=b"")])


@contextlib.asynccontextmanager
async def running(bench: Bench, *, actor: bool = True, sweep: bool = False) -> AsyncIterator[FullSyncs]:
    """Run the full syncs, the sync-log writer and the prober, and optionally the actor and the sweep."""
    syncs = FullSyncs(bench.context, bench.kind)
    probes = {Side.PLATFORM: bench.shop.probe, Side.SPARKLAYER: bench.context.sparklayer.probe}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(syncs.run)
        nursery.start_soon(SyncLogWriter(bench.context, bench.kind).run)
        nursery.start_soon(bench.context.pause.run_prober, probes)
        if actor:
            nursery.start_soon(Actor(bench.context, bench.pipeline).run)
        if sweep:
            nursery.start_soon(Sweep(bench.context, bench.kind, syncs).run)
        yield syncs
        nursery.cancel_scope.cancel()


async def until(bench: Bench, state: str = "ended", within: float = 2000.0) -> None:
    """Wait until the newest run is in a state."""

    async def is_in_state() -> bool:
        run = await bench.context.storage.read(full_syncs.newest, bench.harness.connection_id, bench.kind)
        return run is not None and run.state == state

    with trio.fail_after(within):
        await bench.until(is_in_state, within / 2000)
