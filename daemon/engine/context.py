"""The state that all tasks of one connection share, and nothing else of it.

The facts of the store are read at first need and kept; `refresh_facts` reads them again. All state here is lost with
the process: what must survive is in the database.
"""

import random
from collections.abc import Callable, Collection, Mapping
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

import structlog
import trio
from attrs import define, field, frozen

from daemon.engine.deliveries import Deliveries
from daemon.engine.page_cache import PageCache
from daemon.engine.pause import Pause
from daemon.engine.signal import Signal
from daemon.entities import StoreFacts
from daemon.errors import MISSING_RIGHT, Blocked
from daemon.model import Change, Connection, ExternalId, Kind, Lane
from daemon.model.outcome import Result
from daemon.observability.metrics import Metrics
from daemon.observability.tally import Tally
from daemon.observability.tracing import Tracing
from daemon.platforms.base import Platform, PlatformType
from daemon.sparklayer import SparkLayer
from daemon.storage.database import Storage
from daemon.storage.sweeps import touch
from daemon.storage.vault import Fingerprint, Vault
from daemon.transport.backoff import backoff

if TYPE_CHECKING:  # writers work on a context
    from daemon.engine.writers.writer import Writer

SYNCED_KINDS = (Kind.STORE, Kind.PRODUCTS, Kind.CUSTOMERS, Kind.ORDERS)
"""The kinds that have an actor, in the order that references need: a run of one waits for those before it."""

MOST_REASONS = 1000
"""Entities of a kind whose latest failure is remembered: memory must not grow with the catalogue."""

MOST_SWEPT = 10_000
"""Entities of a kind that are remembered as found by a sweep; the outbox is seldom as deep."""

log = structlog.get_logger()


@frozen(kw_only=True)
class Options:
    """Settings of the operator for all connections; times in seconds."""

    debounce: float = 1.0
    debounce_max: float = 10.0
    backfill_depth: int = 1000
    """Backfill stops reading pages while more rows than this wait for their first attempt."""
    stragglers: float = 3600.0
    """A full sync waits this long after its enumeration for rows that still retry."""
    sweep_every: float = 900.0
    census_every: float = 3600.0
    webhooks_every: float = 3600.0
    """The registrations of webhooks are compared this often, or as often as a sweep where they need care."""
    full_sync_on_start: bool = True
    stock_location: str | None = None


@define(kw_only=True, eq=False)
class KindState:
    """The state that the tasks of one kind of one connection share."""

    work: Mapping[Lane, Signal] = field(factory=lambda: {lane: Signal() for lane in Lane})  # rows may be due
    # Rows were settled, a run started, went on or ended, or the kind was blocked or works again.
    progress: Signal = field(factory=Signal)
    report: Signal = field(factory=Signal)  # the sync-log may be owed a report
    runs: Signal = field(factory=Signal)  # a run was started, or its end was accepted by SparkLayer
    sweep: Signal = field(factory=Signal)  # a sweep is wanted now
    gap: Signal = field(factory=Signal)  # a gap was noted in the database, or in `gapped`
    gapped: bool = False
    """True while a gap is known that is not in the database yet."""
    page_cache: PageCache = field(factory=PageCache)
    # A row without a run is no sign of a sweep: cancelled runs and retries leave such rows too.
    swept: set[ExternalId] = field(factory=set)
    """Entities that a sweep has put into the outbox; at most `MOST_SWEPT`."""
    refused_since: float | None = None
    """Time of trio's clock since which the platform has refused what the present run asks for; None: it does not."""
    refusal: str = ""
    """Reason of the latest such refusal, without personal data."""
    pause: Pause
    """Lasts while a right is missing that only this kind needs; the connection's own pause is for the rest."""
    reasons: dict[ExternalId, str] = field(factory=dict)
    """Reason of an entity's latest failure, without personal data: it is logged."""
    writer: "Writer[Any, Any]" = field(init=False)
    """The kind's own part of the engine; set when the writers are built."""

    def failed(self, external_id: ExternalId, reason: str) -> None:
        """Note the reason of an entity's latest failure."""
        # Moved to the end, so that the oldest failure is dropped first.
        self.reasons.pop(external_id, None)
        self.reasons[external_id] = reason
        if len(self.reasons) > MOST_REASONS:
            del self.reasons[next(iter(self.reasons))]

    def found_by_sweep(self, ids: Collection[ExternalId]) -> None:
        """Note entities that only a sweep has put into the outbox."""
        if len(self.swept) + len(ids) <= MOST_SWEPT:
            self.swept.update(ids)

    def wake(self) -> None:
        """Wake the actor: there may be work in the outbox."""
        for signal in self.work.values():
            signal.set()

    def run_started(self) -> None:
        """Wake the tasks that carry out and report full syncs: a run was started, or is wanted once more."""
        self.runs.set()
        self.report.set()
        self.progress.set()

    def pause_changed(self) -> None:
        """Wake the actors, and the tasks that must not wait for a kind that is blocked."""
        self.wake()
        self.progress.set()


@define(kw_only=True, eq=False)
class ConnectionContext:
    """A connection that is worked on. `kind_states` has its synced kinds, in the order that references need."""

    connection: Connection
    platform_type: PlatformType
    platform: Platform
    sparklayer: SparkLayer
    storage: Storage
    vault: Vault
    fingerprint: Fingerprint
    metrics: Metrics
    options: Options
    now: Callable[[], float]
    chance: random.Random
    pause: Pause
    tracing: Tracing | None = None
    guest: bool = False
    """True if another process may work on the connection: this one then only reads."""
    tally: Tally = field(factory=Tally)
    kind_states: Mapping[Kind, KindState] = field(init=False)
    look: Signal = field(factory=Signal, init=False)  # a look at the webhooks is wanted now
    deliveries: Deliveries = field(init=False)
    _facts: StoreFacts | None = field(default=None, init=False)
    _facts_at: float = field(default=-inf, init=False)
    _reading_facts: trio.Lock = field(factory=trio.Lock, init=False)

    def __attrs_post_init__(self) -> None:
        self.kind_states = {
            kind: KindState(pause=Pause(self.connection.site, kind))
            for kind in SYNCED_KINDS
            if kind in self.platform_type.kinds  # not every platform shows all kinds
        }
        self.deliveries = Deliveries(
            self._gapped,
            self.platform_type,
            partial(self.metrics.count, "webhooks_missed_total", str(self.connection.site)),
        )
        # Actors sleep on the outbox's signals, not on a pause, so the pauses wake them.
        self.pause.changed = self._pause_changed
        for kind_state in self.kind_states.values():
            kind_state.pause.changed = kind_state.pause_changed

    def _pause_changed(self) -> None:
        for kind_state in self.kind_states.values():
            kind_state.pause_changed()

    def _gapped(self, kinds: Collection[Kind]) -> None:
        """Have gaps of kinds (none: of all) noted as soon as the database can be written.

        It may be broken just now: a failing delivery is one of the reasons for a gap.
        """
        for kind, kind_state in self.kind_states.items():
            if not kinds or kind in kinds:
                kind_state.gapped = True
                kind_state.gap.set()

    async def write_something(self) -> None:
        """Raise StorageTrouble while the database cannot be written. The store is left alone as long as that lasts."""
        await self.storage.write(touch, self.connection.id)

    def catch_up(self) -> None:
        """Have every kind swept and the webhooks looked at now: deliveries were lost."""
        self.look.set()
        self.sweep_now()

    def sweep_now(self) -> None:
        """Have every kind swept now."""
        for kind_state in self.kind_states.values():
            kind_state.sweep.set()

    def block(self, kind: Kind, cause: Blocked) -> None:
        """Pause the connection because of `cause`, or only the kind if nothing but its own right is missing."""
        pause = self.kind_states[kind].pause if cause.reason in MISSING_RIGHT else self.pause
        pause.start(cause)

    def blocked(self, kind: Kind) -> Blocked | None:
        """Return the cause why the kind may not be worked on now, None if it may."""
        return self.pause.cause or self.kind_states[kind].pause.cause

    async def passed(self, kind: Kind) -> None:
        """Wait until the kind may be worked on."""
        while self.blocked(kind):  # one pause may begin while the other one ends
            await self.pause.over()
            await self.kind_states[kind].pause.over()

    def blocked_seconds(self, kind: Kind) -> float:
        """Return the seconds in which the kind was blocked since the start. Overlapping pauses count twice."""
        return self.pause.blocked_seconds + self.kind_states[kind].pause.blocked_seconds

    async def facts(self) -> StoreFacts:
        """Return the facts of the store that mapping needs. Raises the failures of the platform."""
        async with self._reading_facts:  # the actors of all kinds begin together, and one read is enough
            if self._facts is None:
                self.take_facts(await self.platform.facts())
            assert self._facts is not None  # it was taken just now
            return self._facts

    async def refresh_facts(self, since: float) -> None:
        """Read the store's facts again, if they are older than `since` (seconds of trio's clock)."""
        if self._facts_at < since:  # runs of several kinds that start together share one read
            self.take_facts(await self.platform.facts())

    def take_facts(self, facts: StoreFacts) -> None:
        """Use facts that were read just now."""
        self._facts, self._facts_at = facts, trio.current_time()

    def note_result(self, kind: Kind, external_id: ExternalId, result: Result, *, unasked: bool) -> None:
        """Count the result of an entity. `unasked`: neither a webhook nor a full sync has asked for it."""
        site, swept = self.connection.site, self.kind_states[kind].swept
        self.metrics.count("entities_total", str(site), kind, result)
        if result in {Result.RETRIED, Result.BROKEN} or external_id not in swept:
            return
        swept.discard(external_id)
        if unasked and result in {Result.WRITTEN, Result.REMOVED}:  # a difference, so its webhook was lost
            self.deliveries.swept(Change(kind, external_id), removed=result is Result.REMOVED)

    def full_sync_ended(self, kind: Kind, *, succeeded: bool) -> None:
        """Log and count the end of a run."""
        site = self.connection.site
        self.metrics.count("full_syncs_total", str(site), kind, "succeeded" if succeeded else "failed")
        log.info("full sync ended", site=str(site), kind=kind.value, succeeded=succeeded)

    def removals_held(self, kind: Kind, number: int) -> None:
        """Log that `number` removals wait for a person; 0 is no news."""
        if number:
            site, how = str(self.connection.site), "ignite-sync removals list"
            log.warning("removals are held", site=site, kind=kind.value, held=number, see=how)

    def backoff(self, attempts: int, after: float | None = None) -> float:
        """Return the seconds to wait before attempt `attempts` + 1, with full jitter."""
        return backoff(attempts, self.chance.random(), after)
