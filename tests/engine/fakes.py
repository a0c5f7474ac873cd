"""The engine tests' bench: a store in memory, and the sandbox's strict SparkLayer without sockets.

    async with open_bench() as bench:
        bench.shop.put(product("1", {"11": "SHIRT"}, stock=3))
        await bench.change("1")             # recorded, due at once
        await bench.work()                  # the pipeline works until nothing is pending
        assert bench.skus() == {"SHIRT": "1"}
        bench.site.faults.add("PATCH *", answer(503), times=1)

All parts between the two ends are real: storage (inline), context, pipeline, pusher, SparkLayer's client and throttle.
The time is trio's, so use `autojump_clock`; the bench's wall clock begins at `EPOCH`.
"""

import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import trio
from attrs import define, evolve, field

from daemon import sparklayer
from daemon.connections.factory import known_id
from daemon.engine.context import ConnectionContext, Options
from daemon.engine.pause import Pause
from daemon.engine.pipeline import Pipeline, build_pipelines
from daemon.engine.writers.products.terms import SiteTerms
from daemon.engine.writers.products.writer import ProductWriter
from daemon.engine.writers.store import StoreWriter
from daemon.entities import Customer, Issue, Mapped, Option, Order, Product, Status, StockLevel, StoreFacts, Variant
from daemon.errors import Side
from daemon.model import ApiKey, Connection, ExternalId, Kind, Lane, Secret, Sku, VariantId
from daemon.model import Site as SiteName
from daemon.observability.metrics import Metrics
from daemon.platforms.base import (
    Announce,
    Entity,
    IdPage,
    Match,
    Page,
    PlatformType,
    Registration,
    tell_nobody,
)
from daemon.sandbox.message import Request, Response
from daemon.sandbox.sparklayer.api import SparkLayer, SparkLayerOptions
from daemon.sandbox.transport import InProcess
from daemon.storage import outbox, removals
from daemon.storage.removals import Allow
from daemon.storage.vault import Vault, load_fingerprint
from daemon.transport.throttle import AdaptivePolicy, Limiter
from tests.contract import CONTRACT
from tests.databases import WatchedDatabase, new_database
from tests.engine.no_webhooks import NoWebhooks
from tests.engine.warm import Warm
from tests.storage.harness import TABLES, StorageHarness

EPOCH = 1_800_000_000.0
PRICE_LIST = "fake-price"


ISSUES = TABLES["issues"]


def product(
    external_id: str, skus: Mapping[str, str], *, stock: int = 1, price: str = "9.50", **fields: Any
) -> Product:
    """Return a product with these SKUs by variant id, each with the same stock and price."""
    variants = tuple(
        Variant(
            external_id=VariantId(variant),
            sku=Sku(sku),
            status=Status.LIVE,
            position=position,
            options=(Option("Size", variant),),
        )
        for position, (variant, sku) in enumerate(skus.items(), 1)
    )
    named = {"title": f"Product {external_id}", "slug": f"product-{external_id}", **fields}
    every = [variant.sku for variant in variants]
    return Product(
        external_id=ExternalId(external_id),
        variants=variants,
        stock=dict.fromkeys(every, StockLevel(stock)),
        prices=dict.fromkeys(every, Decimal(price)),
        **named,
    )


async def _let_pass(_method: str) -> None:
    pass


class Shop:
    """A store of one kind of entities, by default products.

    `failures` are raised in order by the named method; `calls` counts the calls.
    """

    def __init__(self) -> None:
        self.batch_size = 250
        self.page_size = 2
        self.limiter = Limiter(api="fake", side=Side.PLATFORM, policy=AdaptivePolicy())
        self.store = StoreFacts(currency="GBP", weight_unit="KGS")
        self.products: dict[str, Any] = {}
        self.unmanaged: dict[str, str] = {}
        """Product ids, by the ids of their parts."""
        self.issues: dict[str, tuple[Issue, ...]] = {}
        self.left_out: set[str] = set()
        self.excluded: set[str] = set()
        """Entities to keep out of SparkLayer."""
        self.unlisted: set[str] = set()
        """Entities left out of pages."""
        self.broken: set[str] = set()
        self.failures: dict[str, list[Exception]] = {}
        self.calls: Counter[str] = Counter()
        self.asked: list[tuple[str, ...]] = []
        self.changed: set[str] = set()
        self.since: list[float] = []
        self.before: Callable[[str], Awaitable[None]] = _let_pass
        self.registration = Registration(registered=1)
        """The result of a look at the webhooks."""

    def put(self, *products: Product | Customer | Order) -> None:
        self.products.update((one.external_id, one) for one in products)

    def change(self, external_id: str, **fields: Any) -> None:
        self.products[external_id] = evolve(self.products[external_id], **fields)

    async def _called(self, method: str, ids: Sequence[ExternalId] = ()) -> None:
        self.calls[method] += 1
        await trio.lowlevel.checkpoint()
        if ids:  # right before the hook, which looks at the last ones
            self.asked.append(tuple(ids))
        await self.before(method)
        if waiting := self.failures.get(method):
            raise waiting.pop(0)

    def batch(self, _kind: Kind) -> int:
        return self.batch_size

    async def facts(self) -> StoreFacts:
        await self._called("facts")
        return self.store

    async def page(self, _kind: Kind, cursor: str | None) -> Page:
        every = sorted(self.products.keys() - self.unlisted, key=int)
        await self._called("page")
        rest = [one for one in every if int(one) > int(cursor or 0)]
        found = [self._entity(one) for one in rest[: self.page_size]]
        return Page(entities=found, cursor=found[-1].external_id if len(rest) > self.page_size else None)

    async def changed_since(self, _kind: Kind, since: float, cursor: str | None) -> Page:
        self.since.append(since)
        await self._called("changed_since")
        rest = [one for one in sorted(self.changed, key=int) if int(one) > int(cursor or 0)]
        found = [self._entity(one) for one in rest[: self.page_size]]
        return Page(entities=found, cursor=found[-1].external_id if len(rest) > self.page_size else None)

    async def ids(self, _kind: Kind, cursor: str | None) -> IdPage:
        await self._called("ids")
        rest = [one for one in sorted(self.products.keys() - self.unlisted, key=int) if int(one) > int(cursor or 0)]
        page = [ExternalId(one) for one in rest[: self.page_size]]
        return IdPage(ids=page, cursor=page[-1] if len(rest) > self.page_size else None)

    async def read(self, _kind: Kind, ids: Sequence[ExternalId], _lane: Lane) -> Mapping[ExternalId, Entity]:
        assert len(ids) <= self.batch_size
        await self._called("read", ids)
        there = [one for one in ids if one in self.products and one not in self.left_out]
        belonging = {one: Entity(ExternalId(self.unmanaged[one]), None) for one in ids if one in self.unmanaged}
        return {one: self._entity(one) for one in there} | belonging

    async def read_one(self, _kind: Kind, external_id: ExternalId, _lane: Lane) -> Entity | None:
        await self._called("read_one")
        return self._entity(external_id) if external_id in self.products else None

    def _entity(self, external_id: str) -> Entity:
        return Entity(ExternalId(external_id), self.products[external_id])

    def map(self, _kind: Kind, entity: Entity, _facts: StoreFacts) -> Mapped[Any]:
        if entity.external_id in self.broken:
            raise ZeroDivisionError("a bug in the mapping")
        issues = self.issues.get(entity.external_id, ())
        value = None if entity.external_id in self.excluded else entity.content
        return Mapped(value=value, issues=issues, name=f"N{entity.external_id}", url="https://shop.test")

    async def find(self, _kind: Kind, text: str) -> Sequence[Match]:
        await self._called("find")
        return [Match(ExternalId(one), "name", f"N{one}") for one in self.products if f"N{one}" == text]

    async def probe(self) -> None:
        await self._called("probe")

    async def ensure_webhooks(self, _destination: str, announce: Announce = tell_nobody) -> Registration:
        await self._called("ensure_webhooks")
        if self.registration.kinds:
            await announce(self.registration)
        return self.registration

    async def remove_webhooks(self, _destination: str) -> None:
        raise NotImplementedError  # the engine never asks for it: a test that brings this about is wrong

    async def aclose(self) -> None:
        """Close nothing."""


@define
class Bench:
    """A connection's context with both its ends."""

    context: ConnectionContext
    shop: Shop
    site: SparkLayer
    harness: StorageHarness
    refused: list[str]
    """Method, path, status and text of each of SparkLayer's refusals."""
    kind: Kind
    pipeline: Pipeline = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.pipeline = build_pipelines(self.context)[self.kind]

    @property
    def terms(self) -> SiteTerms:
        """The site's terms, for benches of products and the store."""
        writer = self.context.kind_states[self.kind].writer
        assert isinstance(writer, ProductWriter | StoreWriter)
        return writer._terms

    def restart(self) -> None:
        """Forget the state that only a running process has."""
        self.__attrs_post_init__()

    async def change(self, *ids: str, lane: Lane = Lane.LIVE) -> None:
        """Record changes that are due at once."""
        await self.harness.record(*ids, now=self.context.now(), lane=lane)
        self.context.kind_states[self.kind].wake()

    async def once(self, lane: Lane = Lane.LIVE) -> int:
        """Work on one batch of due changes; return its size."""
        claims = await self.harness.claim(self.context.now(), lane, self.shop.batch_size)
        if claims:
            await self.pipeline.work(claims, lane)
        return len(claims)

    async def work(self) -> None:
        """Work until nothing is pending; wait for later due times and for the pause to end."""
        while True:
            if self.context.blocked(self.kind) is not None:
                await self.probed()
            if await self.once(Lane.LIVE) or await self.once(Lane.BACKFILL):
                continue
            wanted = await self.context.storage.read(
                outbox.next_due, self.harness.connection_id, self.kind, self.context.now()
            )
            if wanted is None:
                return
            await trio.sleep(wanted - self.context.now())

    async def until(self, holds: Callable[[], Awaitable[bool]], step: float = 1.0) -> None:
        """Return once the database `holds` something; look `step` seconds after commits."""
        database = self.harness.storage
        assert isinstance(database, WatchedDatabase)
        await database.until(holds, step)

    async def emptied(self, step: float = 1.0) -> None:
        """Return once the outbox is empty; look `step` seconds after commits."""

        async def empty() -> bool:
            return not await self.harness.rows()

        await self.until(empty, step)

    async def allow_removals(self, *ids: str) -> int:
        """Approve held removals of some entities or of all, as a person does; return their number."""
        chosen = [ExternalId(one) for one in ids] or None
        call = Allow(connection_id=self.harness.connection_id, kind=self.kind, ids=chosen, now=self.context.now())
        return len(await self.context.storage.write(removals.allow, call))

    async def probed(self) -> None:
        """Let the probers end the pauses."""
        probes = {Side.PLATFORM: self.shop.probe, Side.SPARKLAYER: self.context.sparklayer.probe}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.context.pause.run_prober, probes)
            nursery.start_soon(self.context.kind_states[self.kind].pause.run_prober, {})
            await self.context.passed(self.kind)
            nursery.cancel_scope.cancel()

    @property
    def writes(self) -> tuple[int, int, int]:
        """Numbers of products, stock levels and prices written so far."""
        state = self.site.state
        return state.products.writes, state.stock.writes, state.prices.writes

    @property
    def calls(self) -> Counter[str]:
        return self.site.statistics.calls

    def skus(self) -> dict[str, str]:
        """Return SparkLayer's live SKUs with their products."""
        return {
            variant["sku"]: external_id
            for external_id, held in self.site.state.products.comparable().items()
            for variant in held["variants"].values()
            if variant["status"] != Status.DISCONTINUED
        }

    def stock(self) -> dict[str, int]:
        levels = self.site.state.stock.levels
        return {sku: level.stock_level for sku, at in levels.items() for level in at.values()}

    def prices(self) -> dict[str, float]:
        prices = self.site.state.prices.prices.get(PRICE_LIST, {})
        return {sku: float(rows[0]["price"]) for sku, rows in prices.items() if rows}

    def sync_calls(self, method: str) -> list[dict[str, Any]]:
        """Return the bodies of the sync-log calls that were accepted."""
        return [call.body for call in self.site.state.sync_log.calls if call.method == method and call.status == 200]

    async def issues(self) -> dict[str, list[str]]:
        """Return the codes of the open issues."""
        found = {}
        for row in await self.harness.everything(ISSUES):
            content: Any = self.context.vault.decrypt(row["encrypted"])
            found[row["external_id"]] = [code for code, _ in content["problems"]]
        return found


def _held_to_contract(options: SparkLayerOptions | None) -> SparkLayerOptions:
    return evolve(options or SparkLayerOptions(), contract=CONTRACT)


@contextlib.asynccontextmanager
async def open_bench(
    options: SparkLayerOptions | None = None,
    kind: Kind = Kind.PRODUCTS,
    kinds: frozenset[Kind] | None = None,
    platform: Mapping[str, Any] | None = None,
    warm: Warm | None = None,
    **tuning: Any,
) -> AsyncIterator[Bench]:
    """Build a bench for one kind, with a store that has these `kinds`.

    `platform` holds more of the platform's type, `tuning` the context's options; `warm` is what it begins as.
    """
    storage, vault, shop = new_database(), Vault([Secret("a key of the tests")]), Shop()
    if warm is None:
        site = SparkLayer(_held_to_contract(options), "http://site.test")
    else:
        shop.products = dict(warm.entities)
        site = await warm.poured(storage)
    harness = await StorageHarness.build(storage)
    key = ApiKey(client_id=site.client_id, client_secret=Secret(site.client_secret))
    refused: list[str] = []

    def note(asked: Request, answer: Response) -> None:
        if answer.status >= 400:
            refused.append(f"{asked.method} {asked.path} {answer.status} {answer.body.decode()}")

    name = SiteName("test", site.site_id)
    context = ConnectionContext(
        connection=Connection(id=harness.connection_id, site=name, platform="fake", api_key=key, store=None),
        platform_type=PlatformType(
            name="fake",
            label="Fake",
            settings=object,
            identity=str,
            connect=lambda *_: shop,
            reader=NoWebhooks,
            kinds=kinds or frozenset({kind}),
            **(platform or {}),
        ),
        platform=shop,
        sparklayer=sparklayer.connect(
            base_url=site.url,
            site=name,
            api_key=key,
            integration="fake",
            transport=InProcess(site, note),
            known=partial(known_id, storage, harness.connection_id),
        ),
        storage=storage,
        vault=vault,
        fingerprint=await load_fingerprint(storage, vault),
        metrics=Metrics(),
        options=Options(**tuning),
        now=lambda: EPOCH + trio.current_time(),
        chance=random.Random(0),
        pause=Pause(name),
    )
    bench = Bench(context, shop, site, harness, refused, kind)
    bench.harness = evolve(harness, kind=kind)
    yield bench
    storage.close()
