"""A world: a store, a site, the network and the post between them and the daemon, which is kept alive in it."""

import random
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Literal, Self
from unittest import mock

import trio
from attrs import define, evolve, field, frozen

import daemon.transport.http
from daemon.config.settings import SyncSettings
from daemon.sandbox import SparkLayer, SparkLayerOptions
from tests.contract import CONTRACT
from tests.prove.simulation.audit import Audit
from tests.prove.simulation.dashboard import Dashboard
from tests.prove.simulation.delivery import WebhookDelivery
from tests.prove.simulation.disk import Disk, DiskFull
from tests.prove.simulation.faults import FaultPlan
from tests.prove.simulation.life import Life, settings
from tests.prove.simulation.merchant import Merchant
from tests.prove.simulation.network import Connected, Network
from tests.prove.simulation.removals import Removals
from tests.prove.simulation.steady import Clock
from tests.prove.simulation.stores.base import Premises, StoreType
from tests.prove.simulation.trace import Trace
from tests.prove.simulation.words import SECRETS, SITE_URL

RESTART_SECONDS = 5.0

SMALL_KIND = 4
"""From so many entities on the brake holds the removal of more than half of them: a small store has several."""


@frozen(kw_only=True)
class Plan:
    """Plan of a run. No run has every event, so that no event hides another."""

    lossy: bool
    """Webhooks get lost and edits tell nobody: only a sweep, or a reading of everything, finds those."""
    leaves: bool
    """The site is disconnected and connected again. Then nothing is deleted, since nobody would hear of it."""
    jumps: bool
    """The daemon's wall clock is set forward and back."""
    sweep_seconds: float
    quota: int | None
    rate: float | None
    variants: Literal["merge", "replace"]
    minutes: float
    census_seconds: float = 3600.0

    @classmethod
    def draw(cls, chance: random.Random, *, repeats: bool) -> "Plan":
        """Draw a plan; a platform that does not send webhooks again needs sweeps, however little gets lost."""
        lossy = chance.random() < 0.4
        plan = cls(
            lossy=lossy,
            leaves=chance.random() < 0.2,
            jumps=chance.random() < 0.5,
            sweep_seconds=chance.choice([60.0, 900.0]) if lossy else 1e6,
            quota=chance.choice([None, 60, 150]),
            rate=chance.choice([None, 15.0]),
            variants="merge" if chance.random() < 0.5 else "replace",
            minutes=chance.choice([0.4, 0.8, 1.3]),
        )
        if repeats:
            return plan
        return evolve(plan, sweep_seconds=chance.choice([60.0, 900.0]), census_seconds=chance.choice([300.0, 3600.0]))


@define(eq=False, kw_only=True)
class World:
    """Everything there is in a run."""

    seed: int
    clock: Clock
    trace: Trace
    plan: Plan
    chance: random.Random
    disk: Disk
    audit: Audit
    faults_planned: FaultPlan
    merchant: Merchant
    store_type: StoreType
    premises: Premises
    site: SparkLayer
    dashboard: Dashboard
    network: Network
    delivery: WebhookDelivery
    life: Life | None = None
    lives: int = 0
    excluded: list[str] = field(factory=list)
    """Customers that the merchant has excluded at once: their removal waits for a person."""
    longest_blocked: float = 1200.0
    """Seconds for which the connection or a kind may be blocked. The prober's pauses are 5 minutes at most."""
    longest_rest: float = 6 * 3600.0
    """Seconds until the daemon is at rest. Webhooks that were refused are tried again once an hour."""
    over: bool = False
    restart_after: float = RESTART_SECONDS
    doomed_in: int = 0
    """After so many more things that cannot be undone the daemon dies; 0: it may live."""
    audited_by: ClassVar[type[Audit]] = Audit
    connected_by: ClassVar[type[Network]] = Network

    @classmethod
    def build(
        cls, seed: int, store: StoreType, clock: Clock, trace: Trace, nursery: trio.Nursery, plan: Plan | None = None
    ) -> Self:
        """Build a world without a daemon in it yet; `plan` is drawn unless it is given."""
        chance = random.Random(f"world {seed}")
        plan, disk = plan or Plan.draw(chance, repeats=store.repeats), Disk()
        premises = store.open(seed, plan, clock, nursery)
        merchant = Merchant(
            premises.trade, random.Random(f"merchant {seed}"), parts=not plan.leaves, attributes=plan.lossy
        )
        merchant.furnish()
        site = SparkLayer(
            SparkLayerOptions(client_secret=SECRETS[3], rate=plan.rate, variants=plan.variants, contract=CONTRACT),
            SITE_URL,
        )
        audit, faults_planned = (
            cls.audited_by(disk, trace, store, jumps=plan.jumps),
            FaultPlan(random.Random(f"weather {seed}"), short_pages=plan.lossy, foreign=store.foreign),
        )
        dashboard = Dashboard(
            site.state, random.Random(f"dashboard {seed}"), lambda kind, key: (kind, key) in audit.working
        )
        merchant.orders.placed = dashboard.place
        network = cls.connected_by(
            store,
            premises.api,
            site,
            faults_planned,
            [audit, Removals(premises, audit.breach), dashboard],
            trace,
            random.Random(f"network {seed}"),
            clock,
        )
        world: Self

        def accepted(headers: Mapping[bytes, bytes], body: bytes, moment: int) -> None:
            audit.accepted(premises.told(headers, body), moment)

        delivery = WebhookDelivery(
            life=lambda: world.listener(),  # noqa: PLW0108  the world is made below
            chance=random.Random(f"post {seed}"),
            trace=trace,
            accepted=accepted,
            moment=lambda: audit.moment,
            nursery=nursery,
            losing=0.15 if plan.lossy else 0.0,
        )
        delivery.twice = delivery.twice if store.repeats else 0.0
        premises.deliver_by(delivery)
        merchant.ours = premises.hooked
        world = cls(
            seed=seed,
            clock=clock,
            trace=trace,
            plan=plan,
            chance=chance,
            disk=disk,
            audit=audit,
            faults_planned=faults_planned,
            merchant=merchant,
            store_type=store,
            premises=premises,
            site=site,
            dashboard=dashboard,
            network=network,
            delivery=delivery,
        )
        audit.then = world.happened
        audit.titles = merchant.goods.titles
        if not plan.lossy:
            audit.products = premises.listed_products
        return world

    def listener(self) -> Life | None:
        """Return the life of the daemon that the next request comes to."""
        return self.life

    def lives_now(self) -> Sequence[Life]:
        """Return the lives of the daemon that are there now."""
        return [] if self.life is None else [self.life]

    def calm(self) -> None:
        """End all trouble that this world has besides that of others."""

    def rested(self) -> None:
        """Look at what the storm has left, before more full syncs mend it."""

    def owed(self) -> list[str]:
        """Return what must still be done before the daemon is at rest, besides what its database says."""
        return []

    @property
    def sync(self) -> SyncSettings:
        return SyncSettings(sweep_seconds=self.plan.sweep_seconds, census_seconds=self.plan.census_seconds)

    def happened(self) -> None:
        """Let the daemon die now if it is its time."""
        if self.doomed_in and self.life is not None and self.life.takes_requests:
            self.doomed_in -= 1
            if not self.doomed_in:
                self.trace.add("its time has come")
                self.life.crash()

    async def keep_alive(self) -> None:
        """Start the daemon, and start it again whenever it has ended, as whoever runs it does."""
        while not self.over:
            self.lives += 1
            connected = Connected(self.lives)
            life = self.life = Life(
                settings=settings(self.store_type, self.sync),
                disk=self.disk,
                clock=self.clock,
                connected=connected,
                committed=self.audit.committed,
                chance=random.Random(f"life {self.lives} of {self.seed}"),
            )
            self.trace.add("life", self.lives)
            with self._composed(life):
                await life.run()
            self.buried(life)
            await trio.sleep(RESTART_SECONDS if life.ended_by else self.restart_after)

    def buried(self, life: Life) -> None:
        """See to it that a life has not ended by itself."""
        if life.ended_by is not None and not (life.crashed or could_not_start(life)):
            self.audit.breach("the daemon ended by itself:", _told(life.ended_by))
        self.trace.add("dead", life.connected.number)

    def _composed(self, life: Life) -> "mock._patch[Any]":
        """Have the daemon's clients speak through the network."""
        return mock.patch.object(
            daemon.transport.http, "_single_connection", partial(self.network.connection, life.connected)
        )


def could_not_start(life: Life) -> bool:
    """Return whether a life ended because the disk was full when it began; a daemon that runs bears a full disk.

    What ended it tells, not the disk: that may have room again by the time the last task is gone.
    """
    return not life.ready.is_set() and all(isinstance(one, DiskFull) for one in leaves_of(life.ended_by))


def leaves_of(error: BaseException | None) -> list[BaseException]:
    """Return what nurseries have wrapped."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for one in error.exceptions for leaf in leaves_of(one)]
    return [] if error is None else [error]


def _told(error: BaseException) -> str:
    return "; ".join(f"{type(one).__name__}: {one}" for one in leaves_of(error))
