from datetime import date
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest
import trio.testing
from attrs import evolve
from trio.testing import MockClock

from daemon.entities import Money, Option, OrderRules, Status, StockLevel, Variant
from daemon.errors import Duplicate, Missing, Rejected, Retry
from daemon.model import ExternalId, Lane, Sku, VariantId
from daemon.sparklayer import (
    PriceList,
    ProductWrite,
    SkuPrice,
    SparkLayer,
    StockLocation,
    StockRow,
    SyncError,
)
from daemon.sparklayer.client import BULK_ROWS, in_bulks
from daemon.sparklayer.products import EXTRAS, encode
from daemon.sparklayer.stock import FoundStock

VARIANT = Variant(
    external_id=VariantId("V1"),
    sku=Sku("A-1"),
    status=Status.LIVE,
    position=1,
    weight_in_grams=Decimal("453.59"),
    options=(Option("Colour", "Red"),),
)
BARE = Variant(external_id=VariantId("V2"), sku=Sku("A-2"), status=Status.SUSPENDED, position=2)
WRITE = ProductWrite(
    external_id=ExternalId("7/7"),
    title="Rope",
    slug="rope",
    variants=(VARIANT, BARE),
    vanished={VariantId("V0"): Sku("A-0")},
)
TAKEN = httpx.Response(409, json={"title": "No", "detail": "external_id 7/7 already exists"})


def test_a_product_write_lists_all_variants_and_says_what_is_gone() -> None:
    assert b"453.59" in encode(WRITE)
    assert b'"453.59"' not in encode(WRITE)
    assert msgspec.json.decode(encode(WRITE)) == {
        "external_id": "7/7",
        "title": "Rope",
        "slug": "rope",
        "variants": [
            {
                "external_id": "V1",
                "sku": "A-1",
                "status": "live",
                "position": 1,
                "weight_in_grams": 453.59,
                "cart_image_url": "",
                "options": [{"group": "Colour", "value": "Red"}],
            },
            {
                "external_id": "V2",
                "sku": "A-2",
                "status": "suspended",
                "position": 2,
                "weight_in_grams": 0,
                "cart_image_url": "",
                "options": [],
            },
            {"external_id": "V0", "sku": "A-0", "status": "discontinued"},
        ],
    }


async def test_products_are_created_by_post_and_written_again_by_external_id(sparklayer: SparkLayer, fake: Any) -> None:
    await sparklayer.products.create(WRITE, Lane.LIVE)
    await sparklayer.products.update(WRITE, Lane.BACKFILL)
    assert [(request.method, request.url.raw_path) for request in fake.requests] == [
        ("POST", b"/api/v1/products"),
        ("PATCH", b"/api/v1/products/7%2F7"),
    ]


async def test_a_picture_and_a_weight_are_cleared_when_a_product_is_written_again_not_when_it_is_created(
    sparklayer: SparkLayer, fake: Any
) -> None:
    await sparklayer.products.create(WRITE, Lane.LIVE)
    await sparklayer.products.update(WRITE, Lane.LIVE)
    shown = evolve(BARE, cart_image_url="https://x.test/1.png", weight_in_grams=Decimal(5))
    await sparklayer.products.create(evolve(WRITE, variants=(shown,), vanished={}), Lane.LIVE)
    said = {
        name: [[variant[name] for variant in body["variants"] if name in variant] for body in fake.bodies()]
        for name in ("cart_image_url", "weight_in_grams")
    }
    assert said == {
        "cart_image_url": [[], ["", ""], ["https://x.test/1.png"]],
        "weight_in_grams": [[453.59], [453.59, 0], [5]],
    }


async def test_a_taken_id_is_a_duplicate_and_an_unknown_one_missing(sparklayer: SparkLayer, fake: Any) -> None:
    fake.answers = [TAKEN, httpx.Response(404, json={"title": "No", "detail": "No"})]
    with pytest.raises(Duplicate):
        await sparklayer.products.create(WRITE, Lane.LIVE)
    with pytest.raises(Missing):
        await sparklayer.products.update(WRITE, Lane.LIVE)


async def test_a_concurrent_update_is_tried_five_times(
    sparklayer: SparkLayer, fake: Any, autojump_clock: trio.testing.MockClock
) -> None:
    fake.answers = [httpx.Response(409)] * 4
    await sparklayer.products.update(WRITE, Lane.LIVE)
    fake.answers = [httpx.Response(409)] * 5
    with pytest.raises(Retry) as failure:
        await sparklayer.products.update(WRITE, Lane.LIVE)
    assert failure.value.reason == "conflict"


async def test_variants_that_sparklayer_holds_can_be_adopted(sparklayer: SparkLayer, fake: Any) -> None:
    held = [{"external_id": "V9", "sku": "A-9", "id": "pv_1"}, {"id": "pv_2", "sku": "A-8"}, {"external_id": "V7"}]
    fake.answers = [httpx.Response(200, json={"id": "pp_1", "external_id": "7", "variants": held})]
    adopted = await sparklayer.products.variants_of(ExternalId("7"), Lane.LIVE)
    assert adopted == {"V9": "A-9"}


async def test_many_rows_of_stock_are_one_call(sparklayer: SparkLayer, fake: Any) -> None:
    rows = [StockRow(Sku(f"S{number}"), StockLevel(number)) for number in range(BULK_ROWS)]
    await sparklayer.stock.set("loc_1", rows, Lane.BACKFILL)
    (body,) = fake.bodies()
    assert len(body) == BULK_ROWS
    assert body[7] == {"sku": "S7", "stock_location_id": "loc_1", "stock_level": 7}


def test_more_rows_than_fit_into_one_call_are_cut() -> None:
    assert [len(bulk) for bulk in in_bulks(range(2 * BULK_ROWS + 1))] == [BULK_ROWS, BULK_ROWS, 1]
    assert in_bulks([]) == []


ELSEWHERE = {"stock_location_id": "loc_2", "stock_level": 4, "restock_date": "2027-01-01", "min_stock_level": -9}
OURS = {"stock_location_id": "loc_1", "stock_level": 3}


EVERYWHERE = {"all_stock_locations": True}


async def test_stock_is_looked_for_twice_before_it_is_deleted(
    sparklayer: SparkLayer, fake: Any, autojump_clock: trio.testing.MockClock
) -> None:
    shared, alone = {"sku": "A", "stock_levels": [OURS, ELSEWHERE]}, {"sku": "B", "stock_levels": [OURS]}
    fake.answers = [
        httpx.Response(200, json=[shared, alone, {"sku": "C", "stock_levels": [ELSEWHERE]}]),
        httpx.Response(200, json=[alone]),
    ]
    found = await sparklayer.stock.look_for("loc_1", [Sku("A"), Sku("B"), Sku("C"), Sku("D")], Lane.LIVE)
    assert found == FoundStock(
        shared=frozenset({Sku("A")}), alone=frozenset({Sku("B")}), absent=frozenset({Sku("D")}), unclear=frozenset()
    )
    await sparklayer.stock.delete(sorted(found.alone), Lane.LIVE)
    assert [request.url.path.rsplit("/", 1)[1] for request in fake.requests] == [
        "batch-fetch-stock",
        "batch-fetch-stock",
        "batch-delete-stock",
    ]
    assert fake.bodies() == [
        {"skus": ["A", "B", "C", "D"], "filter": EVERYWHERE},
        {"skus": ["B", "D"], "filter": EVERYWHERE},
        {"skus": ["B"]},
    ]


@pytest.mark.parametrize("ours", [[], [OURS]])
async def test_a_sku_that_lies_elsewhere_is_never_alone(sparklayer: SparkLayer, fake: Any, ours: list[Any]) -> None:
    fake.answers = [httpx.Response(200, json=[{"sku": "A", "stock_levels": [*ours, ELSEWHERE]}])]
    found = await sparklayer.stock.look_for("loc_1", [Sku("A")], Lane.LIVE)
    assert not found.alone | found.absent
    assert found.shared == ({"A"} if ours else set())


ROWS = {"nothing": [], "ours alone": [OURS], "another one too": [OURS, ELSEWHERE]}


@pytest.mark.parametrize(
    ("first", "second"),
    [(one, other) for one in ("nothing", "ours alone") for other in ROWS if one != other],
)
async def test_two_answers_about_stock_that_differ_prove_nothing(
    sparklayer: SparkLayer, fake: Any, autojump_clock: trio.testing.MockClock, first: str, second: str
) -> None:
    answers = [[{"sku": "A", "stock_levels": ROWS[name]}] if ROWS[name] else [] for name in (first, second)]
    fake.answers = [httpx.Response(200, json=answer) for answer in answers]
    found = await sparklayer.stock.look_for("loc_1", [Sku("A")], Lane.LIVE)
    assert found.unclear == {"A"}
    assert not found.alone | found.absent | found.shared
    assert [request.url.path for request in fake.requests] == ["/api/v1/batch-fetch-stock"] * 2


async def test_locations_are_listed_and_created(sparklayer: SparkLayer, fake: Any) -> None:
    place = {"id": "loc_1", "name": "Store", "external_id": "bigcommerce"}
    fake.answers = [httpx.Response(200, json=[place]), httpx.Response(200, json=place)]
    expected = StockLocation(id="loc_1", name="Store", external_id="bigcommerce")
    assert await sparklayer.stock.locations() == [expected]
    assert await sparklayer.stock.create_location("Store", "bigcommerce") == expected


async def test_a_price_list_is_read_created_and_changed(sparklayer: SparkLayer, fake: Any) -> None:
    there = {"slug": "trade", "name": "Trade", "currency_code": "GBP", "source": "platform", "rules": []}
    expected = PriceList(slug="trade", name="Trade", currency_code="GBP", source="platform")
    fake.answers = [httpx.Response(404, json={"title": "No", "detail": "No"}), httpx.Response(200, json=there)]
    assert await sparklayer.pricing.get_list("trade") is None
    assert await sparklayer.pricing.get_list("trade") == expected
    await sparklayer.pricing.create_list(expected)
    await sparklayer.pricing.update_list("trade", {"currency_code": "EUR"})
    assert fake.bodies() == [
        {"slug": "trade", "name": "Trade", "currency_code": "GBP", "source": "platform"},
        {"currency_code": "EUR"},
    ]


async def test_prices_are_numbers_and_none_clears(sparklayer: SparkLayer, fake: Any) -> None:
    await sparklayer.pricing.set("trade", [SkuPrice(Sku("A"), Decimal("10.40")), SkuPrice(Sku("B"), None)], Lane.LIVE)
    request = fake.requests[0]
    assert (request.method, request.url.path) == ("PATCH", "/api/v1/price-lists/trade/pricing")
    assert request.content == b'[{"sku":"A","pricing":[{"quantity":1,"price":10.40}]},{"sku":"B","pricing":[]}]'


async def test_refused_prices_are_named_by_their_index(sparklayer: SparkLayer, fake: Any) -> None:
    fake.answers = [httpx.Response(400, json=[{"line": 2, "field": "price", "message": "too low"}])]
    rows = [SkuPrice(Sku(f"S{number}"), Decimal(1)) for number in range(5)]
    with pytest.raises(Rejected) as rejected:
        await sparklayer.pricing.set("trade", rows, Lane.LIVE)
    assert rejected.value.lines == {2: "price: too low"}


ERROR = SyncError(
    external_id="77", external_url="https://store/77", visible_id="Rope", title="No SKU", message="Give it one"
)


async def test_a_put_names_times_in_utc_and_all_errors(sparklayer: SparkLayer, fake: Any) -> None:
    await sparklayer.sync_log.put(
        "products", started_full_sync=1672534861.9, last_full_sync=None, succeeded=None, errors=[ERROR]
    )
    assert fake.requests[0].url.path == "/api/v1/sync-log/bigcommerce/products"
    assert fake.bodies() == [
        {
            "started_full_sync": "2023-01-01T01:01:01Z",
            "errors": [
                {
                    "external_id": "77",
                    "external_url": "https://store/77",
                    "visible_id": "Rope",
                    "title": "No SKU",
                    "message": "Give it one",
                }
            ],
        }
    ]


async def test_a_patch_says_what_is_resolved_and_may_end_the_run(sparklayer: SparkLayer, fake: Any) -> None:
    await sparklayer.sync_log.patch("products", errors=[], resolved=["78"])
    await sparklayer.sync_log.patch("products", errors=[], resolved=[], last_full_sync=1672534861.0, succeeded=False)
    assert fake.bodies() == [
        {"synced_external_ids": ["78"]},
        {"last_full_sync": "2023-01-01T01:01:01Z", "last_full_sync_succeeded": False},
    ]


async def test_a_patch_before_any_put_is_missing(sparklayer: SparkLayer, fake: Any) -> None:
    fake.answers = [httpx.Response(404, json={"title": "No", "detail": "No"})]
    with pytest.raises(Missing):
        await sparklayer.sync_log.patch("products", errors=[ERROR], resolved=[])


async def test_an_answer_that_cannot_be_read_is_tried_again(
    sparklayer: SparkLayer, fake: Any, autojump_clock: trio.testing.MockClock
) -> None:
    fake.answers = [httpx.Response(200, json=[{"id": 5}])]
    with pytest.raises(Retry) as failure:
        await sparklayer.stock.locations()
    assert failure.value.reason == "unreadable"


async def test_what_few_stores_use_is_sent_of_those_variants_that_have_it(sparklayer: SparkLayer, fake: Any) -> None:
    rules = OrderRules(customer_group="trade", pack_size=6, sell=False)
    rich = evolve(VARIANT, rrp=Money(amount=Decimal("19.90"), currency="GBP"), settings=(rules,))
    await sparklayer.products.create(evolve(WRITE, variants=(rich, BARE), vanished={}), Lane.LIVE)
    assert b'"rrp":[{"currency_code":"GBP","price":19.90}]' in fake.requests[0].content
    first, second = fake.bodies()[0]["variants"]
    assert first["settings"] == [{"customer_group": "trade", "pack_size": 6, "sell": False}]
    assert not second.keys() & EXTRAS


async def test_what_a_variant_has_no_more_is_sent_empty(sparklayer: SparkLayer, fake: Any) -> None:
    rich = evolve(VARIANT, rrp=Money(amount=Decimal(5), currency="GBP"))
    await sparklayer.products.update(evolve(WRITE, variants=(rich, BARE), cleared=EXTRAS), Lane.LIVE)
    first, second, vanished = fake.bodies()[0]["variants"]
    assert (first["rrp"], first["settings"]) == ([{"currency_code": "GBP", "price": 5}], [])
    assert (second["rrp"], second["settings"]) == ([], [])
    assert not vanished.keys() & EXTRAS


async def test_stock_says_when_more_comes_and_how_far_it_may_be_oversold(sparklayer: SparkLayer, fake: Any) -> None:
    stock = StockLevel(0, restock_date=date(2027, 1, 31), min_level=-9)
    await sparklayer.stock.set("loc_1", [StockRow(Sku("A"), stock)], Lane.LIVE)
    (row,) = fake.bodies()[0]
    assert row == {
        "sku": "A",
        "stock_location_id": "loc_1",
        "stock_level": 0,
        "restock_date": "2027-01-31",
        "min_stock_level": -9,
    }


@pytest.mark.parametrize("said", [None, True, False])
async def test_a_price_list_says_whether_its_prices_include_tax_when_that_is_known(
    sparklayer: SparkLayer, fake: Any, *, said: bool | None
) -> None:
    there: dict[str, Any] = {"slug": "trade", "name": "Trade", "currency_code": "GBP", "source": "integration"}
    shown = {} if said is None else {"tax_inclusive_display": said}
    fake.answers = [httpx.Response(200, json=there | shown)]
    assert await sparklayer.pricing.get_list("trade") == PriceList(**there, tax_inclusive_display=said)


@pytest.mark.holds("A6")
async def test_the_sync_log_of_a_site_is_wiped_in_one_call_that_two_reads_confirm(
    autojump_clock: MockClock, sparklayer: SparkLayer, fake: Any
) -> None:
    gone = httpx.Response(404, json={"title": "No", "detail": "No"})
    fake.answers = [httpx.Response(204), gone, gone]
    await sparklayer.sync_log.delete_all()
    calls = [(request.method, request.url.path.removeprefix("/api/v1/sync-log")) for request in fake.requests]
    assert calls == [("DELETE", ""), ("GET", "/bigcommerce/customers"), ("GET", "/bigcommerce/products")]


@pytest.mark.holds("A6")
async def test_a_sync_log_that_is_still_there_was_not_deleted(
    autojump_clock: MockClock, sparklayer: SparkLayer, fake: Any
) -> None:
    fake.answers = [httpx.Response(204), httpx.Response(200, json={"last_full_sync": None, "errors_count": 0})]
    with pytest.raises(Retry) as caught:
        await sparklayer.sync_log.delete_all()
    assert caught.value.reason == "not_deleted"
