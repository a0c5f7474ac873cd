"""A site for dry runs sends no write, whatever the operation, and answers as SparkLayer would."""

import importlib
import pkgutil
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

import pytest
from trio.testing import MockClock

import daemon.sparklayer
from daemon import sparklayer
from daemon.entities import StockLevel
from daemon.errors import Duplicate, Missing
from daemon.model import ApiKey, ExternalId, Kind, Lane, Secret, Site, Sku
from daemon.sandbox.sparklayer.api import SparkLayer, SparkLayerOptions
from daemon.sandbox.transport import InProcess
from daemon.sparklayer import PriceList, ProductWrite, SkuPrice, StockRow
from daemon.sparklayer.dry_run import DryClient
from daemon.sparklayer.operation import Operation
from daemon.sparklayer.stock import FETCH
from daemon.sparklayer.sync_log import DELETE, PATCH, PUT
from daemon.sparklayer.token import TOKEN

BACKFILL = Lane.BACKFILL
UNHEARD = {PUT, PATCH, DELETE, TOKEN}
"""The sync-log's writes, which are no entity's (no run wipes a log), and the request of a token, which is made."""


def operations() -> Iterator[Operation]:
    for module in pkgutil.iter_modules(daemon.sparklayer.__path__, "daemon.sparklayer."):
        values = vars(importlib.import_module(module.name)).values()
        yield from (value for value in values if isinstance(value, Operation))


class Sites:
    """A site, its client, and the same for a dry run."""

    def __init__(self) -> None:
        self.api = SparkLayer(SparkLayerOptions(), "http://site.test")
        key = ApiKey(client_id=self.api.client_id, client_secret=Secret(self.api.client_secret))
        name = Site("test", self.api.site_id)
        self.live = sparklayer.connect(
            base_url=self.api.url, site=name, api_key=key, integration="x", transport=InProcess(self.api)
        )
        self.dry, self.writes = self.live.dry_run()

    @property
    def sent(self) -> list[str]:
        """The calls that wrote something."""
        reads = ("GET", "POST /api/auth/token", "POST /api/v1/batch-fetch-stock")
        return [name for name in self.api.statistics.calls if not name.startswith(reads)]


@pytest.fixture
async def sites() -> AsyncIterator[Sites]:
    opened = Sites()
    yield opened
    await opened.live.aclose()


def write(external_id: str) -> ProductWrite:
    return ProductWrite(external_id=ExternalId(external_id), title="T", slug="t", variants=())


def customer(external_id: str, email: str) -> dict[str, Any]:
    return {"external_id": external_id, "email": email, "first_name": "F", "last_name": "L", "addresses": []}


async def test_every_write_has_an_answer_of_its_own(autojump_clock: MockClock, sites: Sites) -> None:
    client = DryClient(sites.live._client)
    writing = {op for op in operations() if op.method != "GET" and op is not FETCH} - UNHEARD
    assert {op.name for op in writing} == client._rehearsed.keys()


async def test_a_product_is_created_once_and_then_changed(autojump_clock: MockClock, sites: Sites) -> None:
    await sites.live.products.create(write("1"), BACKFILL)
    sent = sites.sent
    with pytest.raises(Duplicate):
        await sites.dry.products.create(write("1"), BACKFILL)
    await sites.dry.products.update(write("1"), BACKFILL)
    with pytest.raises(Missing):
        await sites.dry.products.update(write("2"), BACKFILL)
    await sites.dry.products.create(write("2"), BACKFILL)
    await sites.dry.products.update(write("2"), BACKFILL)
    with pytest.raises(Duplicate):
        await sites.dry.products.create(write("2"), BACKFILL)
    assert sites.writes.created == {(Kind.PRODUCTS, "2")}
    assert sites.writes.calls == {"updateProduct": 2, "createProduct": 1}
    assert sites.sent == sent


async def test_what_is_made_is_shown_to_later_reads(autojump_clock: MockClock, sites: Sites) -> None:
    new = PriceList(slug="a-price", name="A", currency_code="GBP", source="integration")
    assert await sites.dry.pricing.get_list("a-price") is None
    await sites.dry.pricing.create_list(new)
    await sites.dry.pricing.update_list("a-price", {"tax_inclusive_display": True})
    await sites.dry.pricing.set("a-price", [SkuPrice(Sku("S"), Decimal(1))], BACKFILL)
    shown = await sites.dry.pricing.get_list("a-price")
    assert shown is not None
    assert (shown.currency_code, shown.tax_inclusive_display) == ("GBP", True)
    assert await sites.dry.pricing.skus("a-price") == []
    place = await sites.dry.stock.create_location("Here", "here")
    assert place in await sites.dry.stock.locations()
    await sites.dry.stock.set(place.id, [StockRow(Sku("S"), StockLevel(1))], BACKFILL)
    await sites.dry.stock.delete([Sku("S")], BACKFILL)
    await sites.dry.settings.set_base_currency("GBP", BACKFILL)
    assert sites.sent == []
    assert await sites.live.pricing.get_list("a-price") is None


async def test_deleted_stock_is_shown_no_more_until_it_is_set_again(autojump_clock: MockClock, sites: Sites) -> None:
    place = (await sites.live.stock.locations())[0].id
    await sites.live.stock.set(place, [StockRow(Sku("S"), StockLevel(1)), StockRow(Sku("T"), StockLevel(1))], BACKFILL)
    both = frozenset({Sku("S"), Sku("T")})
    await sites.dry.stock.delete([Sku("S")], BACKFILL)
    assert await sites.dry.stock.having([*both], BACKFILL) == {"T"}
    assert await sites.live.stock.having([*both], BACKFILL) == both
    await sites.dry.stock.set(place, [StockRow(Sku("S"), StockLevel(2))], BACKFILL)
    assert await sites.dry.stock.having([*both], BACKFILL) == both


async def test_an_email_address_has_one_customer(autojump_clock: MockClock, sites: Sites) -> None:
    api, far = sites.dry.customers, float("inf")
    assert await sites.live.customers.put(ExternalId("1"), customer("1", "one@example.com"), BACKFILL, far)
    sent = sites.sent
    assert await api.read(ExternalId("2"), BACKFILL) is None
    with pytest.raises(Duplicate):
        await api.put(ExternalId("2"), customer("2", "ONE@example.com"), BACKFILL, far)
    assert await api.read(ExternalId("1"), BACKFILL) is not None
    assert not await api.put(ExternalId("1"), customer("1", "other@example.com"), BACKFILL, far)
    assert await api.put(ExternalId("2"), customer("2", "one@example.com"), BACKFILL, far), "it is free by now"
    shown = await api.read(ExternalId("2"), BACKFILL)
    assert shown is not None
    await api.delete(ExternalId("1"), BACKFILL)
    assert await api.read(ExternalId("1"), BACKFILL) is None
    assert await api.read_by_email("one@example.com", BACKFILL) is None, "its customer has left it"
    with pytest.raises(Missing):
        await api.delete(ExternalId("3"), BACKFILL)
    assert sites.writes.created == {(Kind.CUSTOMERS, "2")}
    assert sites.sent == sent


async def test_reads_wait_behind_live_work(autojump_clock: MockClock, sites: Sites) -> None:
    lanes: list[Lane] = []
    turn = sites.live.limiter.turn

    def noting(lane: Lane, *rest: Any) -> Any:
        lanes.append(lane)
        return turn(lane, *rest)

    sites.live.limiter.turn = noting  # type: ignore[assignment,method-assign]
    await sites.dry.stock.locations()
    assert set(lanes) == {BACKFILL}
