"""Rehearses full syncs: the engine's own, on a copy of the ledger, with a SparkLayer that takes no writes.

    dry = DryRun(context, writes)      # of a scratch database and of `SparkLayer.dry_run`
    await dry.run([Kind.PRODUCTS])
    dry.kinds[Kind.PRODUCTS].actions   # {external id: CREATE, CHANGE, UNCHANGED or REMOVE}

Nothing is decided here. The actor, the pipeline and its writers, the removal brake and the look for leftovers are those
of a full sync. Only the waits differ: a blocked side, or a page refused `PAGE_ATTEMPTS` times, ends the dry run,
and entities that fail to the end are named.
"""

import contextlib
import enum
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar

import trio
from attrs import define, evolve, field

from daemon.engine.actor import Actor
from daemon.engine.batch import Batch
from daemon.engine.context import ConnectionContext
from daemon.engine.full_sync import REFUSALS, SECOND_LOOK, FullSyncs
from daemon.engine.leftovers import LOOK_AGAIN
from daemon.engine.pause import Pause
from daemon.engine.pipeline import build_pipelines
from daemon.engine.sync_log import SyncLogWriter
from daemon.errors import Blocked, Failure, Retry, StorageTrouble
from daemon.model import LOGGED_KINDS, ExternalId, Kind
from daemon.model.outcome import Outcome, Result
from daemon.observability.metrics import Metrics
from daemon.platforms.base import Platform
from daemon.sparklayer import DryWrites
from daemon.storage import dry_run, full_syncs
from daemon.storage.database import Storage
from daemon.storage.dry_run import Unfinished
from daemon.storage.group_commit import Operation
from daemon.storage.states import RunMode, RunState

C = TypeVar("C")
R = TypeVar("R")
T = TypeVar("T")

STRAGGLER_SECONDS = 20.0
"""Seconds that a full sync waits at its end for entities that fail."""

LAST_SECONDS = 5.0
"""Seconds that entities which fail have after all others, once their full sync is over."""

PAGE_ATTEMPTS = 4

NAMED = 20
"""Entities of an action that keep their names, unless all names are wanted."""


class Action(enum.StrEnum):
    """The effect that a full sync would have on an entity in SparkLayer."""

    CREATE = "create"
    CHANGE = "change"
    UNCHANGED = "unchanged"
    REMOVE = "remove"


ACTIONS = {Result.WRITTEN: Action.CHANGE, Result.UNCHANGED: Action.UNCHANGED, Result.REMOVED: Action.REMOVE}
"""Results by which something is done; a write may also create the entity."""


@define(eq=False)
class KindRehearsal:
    """The findings about one kind so far."""

    seen: int = 0
    """Entities whose outcome is known, those included that are not SparkLayer's."""
    actions: dict[ExternalId, Action] = field(factory=dict)
    names: dict[Action, dict[ExternalId, str]] = field(factory=lambda: {action: {} for action in Action})
    failing: Mapping[ExternalId, str] = field(factory=dict)
    """Entities that could not be looked at to their end, with the reason."""
    leftovers: str | None = None
    """The reason why SparkLayer's leftovers are not known, if a full sync would look for them."""
    over: bool = False


@define(kw_only=True, eq=False)
class DryContext(ConnectionContext):
    """A context in which a blocked side ends the work: no one probes it here."""

    storage: "_Watched"
    stop: Callable[[Failure], None] = field(init=False, default=lambda _failure: None)

    def block(self, kind: Kind, cause: Blocked) -> None:
        """End the dry run."""
        super().block(kind, cause)
        self.stop(cause)


def dry_context(live: ConnectionContext, *, storage: Storage, platform: Platform) -> tuple[DryContext, DryWrites]:
    """Return the context of a dry run beside a live one, on a scratch database, and the writes that it will note.

    `platform` is an adapter whose state is in the scratch database too.
    """
    site, writes = live.sparklayer.dry_run()
    context = DryContext(
        connection=live.connection,
        platform_type=live.platform_type,
        platform=platform,
        sparklayer=site,
        storage=_Watched(storage),
        vault=live.vault,
        fingerprint=live.fingerprint,
        metrics=Metrics(),  # nothing happens that the daemon's should count
        options=evolve(live.options, stragglers=STRAGGLER_SECONDS, full_sync_on_start=False),
        now=live.now,
        chance=live.chance,
        pause=Pause(live.connection.site),
    )
    return context, writes


@define
class _Watched:
    """A scratch database. Any trouble with it ends the dry run: the engine would wait for its disk."""

    storage: Storage
    stop: Callable[[Failure], None] = lambda _failure: None

    async def write(self, fn: Operation[C, R], call: C) -> R:
        """Commit a call. Raises StorageTrouble."""
        with self._ending():
            return await self.storage.write(fn, call)

    async def read(self, fn: Callable[..., R], *args: Any) -> R:
        """Run a query. Raises StorageTrouble."""
        with self._ending():
            return await self.storage.read(fn, *args)

    @contextlib.contextmanager
    def _ending(self) -> Iterator[None]:
        try:
            yield
        except StorageTrouble as trouble:
            self.stop(trouble)
            raise


class DryFullSyncs(FullSyncs):
    """Carries out one full sync of a kind, with all that follows from it, and gives up soon."""

    async def rehearse(self, settled: Callable[[], Awaitable[Unfinished]]) -> tuple[Unfinished, str | None]:
        """Run to the end; return what still fails, and why leftovers are not known.

        `settled` waits for entities besides the run's. Raises the failures of reading pages.
        """
        await self.start(RunMode.NORMAL)
        while True:
            run = await self._context.storage.read(full_syncs.newest, self._context.connection.id, self._kind)
            assert run is not None  # it was started
            if run.current:
                await (self._enumerate(run) if run.state is RunState.ENUMERATING else self._drain(run))
            elif run.state is RunState.ENDING:
                await self._kind_state.runs.wait()  # the sync-log's writer ends it
            elif run.again:
                await self.start(run.mode, internal=True)
            else:
                unfinished = await settled()
                later = await self._leftovers.look(run)
                newest = await self._context.storage.read(full_syncs.newest, self._context.connection.id, self._kind)
                if newest is not None and newest.id != run.id:
                    continue  # the second read of the store, which decides on leftovers
                if later is None:
                    return unfinished, None
                unlisted = "SparkLayer did not list its prices"
                return unfinished, unlisted if later == LOOK_AGAIN else "some products cannot be read"

    async def patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call of an enumeration a few times."""
        for attempt in range(PAGE_ATTEMPTS - 1):
            try:
                return await call()
            except REFUSALS as error:
                after = error.after if isinstance(error, Retry) else SECOND_LOOK
                await trio.sleep(min(self._context.backoff(attempt, after), STRAGGLER_SECONDS))
        return await call()


class DryRun:
    """The rehearsal of one connection's full syncs. `context` has a scratch database, and the site of `writes`."""

    def __init__(self, context: DryContext, writes: DryWrites, *, named: int | None = NAMED) -> None:
        self.kinds = {kind: KindRehearsal() for kind in context.kind_states}
        self.writes = writes
        self.trouble: Failure | None = None
        """The failure that has ended it early."""
        self._context = context
        self._named = named
        self._scope = trio.CancelScope()
        context.stop = context.storage.stop = self._stop
        self._pipelines = build_pipelines(context)
        for kind, pipeline in self._pipelines.items():
            pipeline.settling = partial(self._note, kind)

    async def run(self, kinds: Iterable[Kind]) -> None:
        """Rehearse the full syncs of these kinds, one after the other, in their order; see `trouble`."""
        with self._scope:
            try:
                async with trio.open_nursery() as nursery:
                    for kind, pipeline in self._pipelines.items():
                        nursery.start_soon(Actor(self._context, pipeline).run)
                        if kind in LOGGED_KINDS:
                            nursery.start_soon(SyncLogWriter(self._context, kind).run)
                    for kind in kinds:
                        await self._rehearse(kind)
                    nursery.cancel_scope.cancel()
            except* StorageTrouble:
                assert self.trouble is not None  # the scratch database has said so before

    async def _rehearse(self, kind: Kind) -> None:
        rehearsal = self.kinds[kind]
        try:
            syncs = DryFullSyncs(self._context, kind)
            unfinished, rehearsal.leftovers = await syncs.rehearse(partial(self._settled, kind))
        except Failure as failure:
            self._stop(failure)
            return
        vault = self._context.vault
        rehearsal.failing = {
            row.external_id: str(vault.decrypt(row.encrypted)) if row.encrypted else "" for row in unfinished.failing
        }
        rehearsal.over = True

    async def _settled(self, kind: Kind) -> Unfinished:
        """Wait until every entity is settled, or still fails `LAST_SECONDS` after the last one that was untried."""
        context, deadline = self._context, trio.current_time() + LAST_SECONDS
        while True:
            waiting = await context.storage.read(dry_run.unfinished, context.connection.id, kind)
            if waiting.fresh:
                deadline = trio.current_time() + LAST_SECONDS
            elif not waiting.failing or trio.current_time() >= deadline:
                return waiting
            await context.kind_states[kind].progress.wait_until(trio.current_time() + 1.0)

    def _stop(self, failure: Failure) -> None:
        self.trouble = self.trouble or failure
        self._scope.cancel()

    def _note(self, kind: Kind, batch: Batch, outcomes: Mapping[ExternalId, Outcome]) -> None:
        """Note what would become of entities."""
        rehearsal = self.kinds[kind]
        for external_id, outcome in outcomes.items():
            if outcome.failure is not None or outcome.next is not None:
                continue
            rehearsal.seen += 1
            before, action = rehearsal.actions.get(external_id), ACTIONS.get(outcome.result)
            if action is Action.CHANGE and (kind, external_id) in self.writes.created:
                action = Action.CREATE
            if action is Action.UNCHANGED and (before is not None or not batch.concerns_merchant(external_id)):
                continue  # a second look changes nothing of what the first would have written
            if action is None or action is before:
                continue
            if before is not None:
                rehearsal.names[before].pop(external_id, None)
            rehearsal.actions[external_id] = action
            names = rehearsal.names[action]
            if action is not Action.UNCHANGED and (self._named is None or len(names) < self._named):
                mapped = batch.mapped.get(external_id)
                names[external_id] = mapped.name if mapped else ""
