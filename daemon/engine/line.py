"""One connection with everything it is worked on with.

The parts of the line share a `Line` and nothing else. What the platform says of the store, and where on the site
stock and prices go, is read at first need and kept; `forget_terms` and `refresh_facts` have it read again.
"""

import random
from collections.abc import Callable, Mapping

import trio
from attrs import define, field, frozen

from daemon.engine.entry import Terms
from daemon.engine.gate import Gate
from daemon.engine.handoff import Handoff
from daemon.engine.signal import Signal
from daemon.engine.site import prepare_site
from daemon.errors import Blocked, Rejected, Side
from daemon.model import Connection, Kind, Lane, StoreFacts
from daemon.observability.metrics import Metrics
from daemon.platforms.base import Platform, PlatformType
from daemon.sparklayer import SparkLayer
from daemon.storage import ledger
from daemon.storage.database import Storage
from daemon.storage.freshness import Freshness
from daemon.storage.full_syncs import Start, start
from daemon.storage.vault import Fingerprint, Vault

SYNCED_KINDS = (Kind.PRODUCTS,)
"""The kinds that have an actor."""

LONGEST_BACKOFF = 900.0
"""Seconds. Also the longest Retry-After that is honoured."""


@frozen(kw_only=True)
class Options:
    """What an operator may tune; seconds."""

    debounce: float = 1.0
    patience: float = 10.0
    backfill_depth: int = 1000
    """Backfill stops reading pages while more rows than this wait."""
    stragglers: float = 3600.0
    """How long after its enumeration a full sync waits for rows that still retry."""
    sweep_every: float = 900.0
    full_sync_on_start: bool = True
    stock_location: str | None = None


@define(kw_only=True, eq=False)
class Desk:
    """What the parts that work on one kind of one connection share.

    `reading` is held while a page of an enumeration is on its way and taken in: one at a time, as `freshness` needs.
    `claiming` is held while rows are claimed, and while a page's rows and contents come in: so no row is claimed
    before its content is there.
    """

    work: Mapping[Lane, Signal] = field(factory=lambda: {lane: Signal() for lane in Lane})
    settled: Signal = field(factory=Signal)
    report: Signal = field(factory=Signal)
    runs: Signal = field(factory=Signal)
    sweep: Signal = field(factory=Signal)
    freshness: Freshness = field(factory=Freshness)
    handoff: Handoff = field(factory=Handoff)
    reading: trio.Lock = field(factory=trio.Lock)
    claiming: trio.Lock = field(factory=trio.Lock)

    def wake(self) -> None:
        """There may be work in the outbox."""
        for signal in self.work.values():
            signal.set()


@define(kw_only=True, eq=False)
class Line:
    """A connection being worked on."""

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
    gate: Gate
    desks: Mapping[Kind, Desk] = field(factory=lambda: {kind: Desk() for kind in SYNCED_KINDS})
    _facts: StoreFacts | None = field(default=None, init=False)
    _terms: Terms | None = field(default=None, init=False)
    _preparing: trio.Lock = field(factory=trio.Lock, init=False)

    def __attrs_post_init__(self) -> None:
        self.gate.opened = self._wake

    def _wake(self) -> None:
        for desk in self.desks.values():
            desk.wake()

    async def prepared(self) -> tuple[StoreFacts, Terms]:
        """Return what mapping and pushing need to know. Raises the failures of either side."""
        async with self._preparing:
            if self._facts is None:
                self._facts = await self.platform.facts()
            if self._terms is None:
                self._terms = await self._prepare(self._facts.currency)
            return self._facts, self._terms

    async def refresh_facts(self) -> None:
        """Read the store's facts again: a new currency or weight unit changes what every product maps to."""
        before, self._facts = self._facts, await self.platform.facts()
        if before is not None and before.currency != self._facts.currency:
            self.forget_terms()

    async def _prepare(self, currency: str) -> Terms:
        """Find or make what the site needs. What it refuses is the site's trouble, and no entity's."""
        try:
            return await prepare_site(
                self.sparklayer, self.platform_type, currency, self.options.stock_location, self._owe_refresh
            )
        except Rejected as error:
            raise Blocked(str(error), reason="site_refuses_set_up", side=Side.SPARKLAYER) from error

    async def _owe_refresh(self) -> None:
        """SparkLayer has lost what the ledger says that it was told: have everything written again."""
        if not await self.storage.read(ledger.size, self.connection.id, Kind.PRODUCTS):
            return
        wish = Start(
            connection_id=self.connection.id, kind=Kind.PRODUCTS, mode="refresh", now=self.now(), internal=True
        )
        await self.storage.write(start, wish)
        self.desks[Kind.PRODUCTS].runs.set()
        self.desks[Kind.PRODUCTS].report.set()

    def forget_terms(self) -> None:
        """Have price list and stock location looked up again: SparkLayer no longer knows one of them."""
        self._terms = None

    def backoff(self, attempts: int, after: float | None = None) -> float:
        """Return how many seconds to wait before attempt `attempts` + 1: exponential with full jitter."""
        ceiling = min(LONGEST_BACKOFF, 2.0 ** min(attempts, 10))
        return min(max(self.chance.uniform(0, ceiling), after or 0.0, 0.5), LONGEST_BACKOFF)
