"""A world: a store, a site, the network and the post between them and the daemon, which is kept alive in it."""

import random
from functools import partial
from typing import Any, Literal, cast
from unittest import mock

import trio
from attrs import define, field, frozen

import daemon.transport.http
from daemon.platforms.bigcommerce.webhooks import REGISTERED, BigCommerceWebhooks
from daemon.sandbox import BigCommerce, BigCommerceOptions, SparkLayer, SparkLayerOptions, Store
from daemon.sandbox.post import Poster
from tests.contract import CONTRACT
from tests.prove.simulation.audit import Audit
from tests.prove.simulation.dashboard import Dashboard
from tests.prove.simulation.delivery import WebhookDelivery
from tests.prove.simulation.disk import Disk, DiskFull
from tests.prove.simulation.faults import FaultPlan
from tests.prove.simulation.life import SECRETS, Life, settings
from tests.prove.simulation.merchant import Merchant
from tests.prove.simulation.network import SHOP_URL, SITE_URL, Connected, Network
from tests.prove.simulation.removals import Removals
from tests.prove.simulation.steady import Clock
from tests.prove.simulation.trace import Trace

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

    @classmethod
    def draw(cls, chance: random.Random) -> "Plan":
        """Draw a plan."""
        lossy = chance.random() < 0.4
        return cls(
            lossy=lossy,
            leaves=chance.random() < 0.2,
            jumps=chance.random() < 0.5,
            sweep_seconds=chance.choice([60.0, 900.0]) if lossy else 1e6,
            quota=chance.choice([None, 60, 150]),
            rate=chance.choice([None, 15.0]),
            variants="merge" if chance.random() < 0.5 else "replace",
            minutes=chance.choice([0.4, 0.8, 1.3]),
        )


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
    shop: BigCommerce
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
    over: bool = False
    restart_after: float = RESTART_SECONDS
    doomed_in: int = 0
    """After so many more things that cannot be undone the daemon dies; 0: it may live."""

    @property
    def store(self) -> Store:
        """The merchant's store."""
        return self.shop.store

    @classmethod
    def build(cls, seed: int, clock: Clock, trace: Trace, nursery: trio.Nursery, plan: Plan | None = None) -> "World":
        """Build a world without a daemon in it yet; `plan` is drawn unless it is given."""
        chance = random.Random(f"world {seed}")
        plan, disk = plan or Plan.draw(chance), Disk()
        access, shop_secret, _, site_secret, _, _ = SECRETS
        store = Store(clock=clock.true_time)
        merchant = Merchant(store, random.Random(f"merchant {seed}"), parts=not plan.leaves, attributes=plan.lossy)
        merchant.furnish()
        options = BigCommerceOptions(access_token=access, client_secret=shop_secret, quota=plan.quota, time_scale=0.02)
        shop = BigCommerce(store, options, SHOP_URL, nursery)
        site = SparkLayer(
            SparkLayerOptions(client_secret=site_secret, rate=plan.rate, variants=plan.variants, contract=CONTRACT),
            SITE_URL,
        )
        audit, faults_planned = (
            Audit(disk, trace, jumps=plan.jumps),
            FaultPlan(random.Random(f"weather {seed}"), short_pages=plan.lossy),
        )
        dashboard = Dashboard(
            site.state, random.Random(f"dashboard {seed}"), lambda kind, key: (kind, key) in audit.working
        )
        merchant.orders.placed = dashboard.place
        network = Network(
            shop,
            site,
            faults_planned,
            [audit, Removals(store, audit.breach), dashboard],
            trace,
            random.Random(f"network {seed}"),
        )
        reader = BigCommerceWebhooks(settings(1e6).connections[0].store)
        world: World

        def accepted(body: bytes, moment: int) -> None:
            audit.accepted(reader, body, moment)

        delivery = WebhookDelivery(
            life=lambda: world.life,
            chance=random.Random(f"post {seed}"),
            trace=trace,
            accepted=accepted,
            moment=lambda: audit.moment,
            nursery=nursery,
            losing=0.15 if plan.lossy else 0.0,
        )
        shop.webhooks._poster = cast("Poster", delivery)
        merchant.ours = lambda: hooked(shop)
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
            shop=shop,
            site=site,
            dashboard=dashboard,
            network=network,
            delivery=delivery,
        )
        audit.then = world.happened
        audit.titles = merchant.goods.titles
        if not plan.lossy:
            audit.products = lambda: set(map(str, store.ids))
        return world

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
                settings=settings(self.plan.sweep_seconds),
                disk=self.disk,
                clock=self.clock,
                connected=connected,
                committed=self.audit.committed,
                chance=random.Random(f"life {self.lives} of {self.seed}"),
            )
            self.trace.add("life", self.lives)
            with self._composed(life):
                await life.run()
            if life.ended_by is not None and not (life.crashed or could_not_start(life)):
                self.audit.breach("the daemon ended by itself:", _told(life.ended_by))
            self.trace.add("dead", self.lives)
            await trio.sleep(RESTART_SECONDS if life.ended_by else self.restart_after)

    def _composed(self, life: Life) -> "mock._patch[Any]":
        """Have the daemon's clients speak through the network."""
        return mock.patch.object(
            daemon.transport.http, "_single_connection", partial(self.network.connection, life.connected)
        )


def could_not_start(life: Life) -> bool:
    """Return whether a life ended because the disk was full when it began; a daemon that runs bears a full disk.

    What ended it tells, not the disk: that may have room again by the time the last task is gone.
    """
    return not life.ready.is_set() and all(isinstance(one, DiskFull) for one in _leaves(life.ended_by))


def hooked(shop: BigCommerce) -> bool:
    """Return true if every webhook of the daemon is registered and works."""
    hooks = shop.hooks.registered.values()
    return len(hooks) >= len(REGISTERED) and all(hook.is_active for hook in hooks)


def _leaves(error: BaseException | None) -> list[BaseException]:
    """Return what nurseries have wrapped."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for one in error.exceptions for leaf in _leaves(one)]
    return [] if error is None else [error]


def _told(error: BaseException) -> str:
    return "; ".join(f"{type(one).__name__}: {one}" for one in _leaves(error))
