"""Reading a store through the adapter: whole walks, page sizes, and reads by id."""

import json
from typing import Any

import httpx
import pytest
from trio.testing import MockClock

from daemon.entities import Product, StoreFacts
from daemon.errors import Blocked, Missing, Rejected, Retry
from daemon.model import ExternalId, Kind, Lane
from daemon.platforms.bigcommerce.adapter import BigCommerce
from tests.platforms.bigcommerce import stand_in
from tests.platforms.bigcommerce.fakes import PRODUCT, VARIANT

PRODUCTS = "/v3/catalog/products"
FACTS = StoreFacts(currency="GBP", weight_unit="KGS")


async def walk(shop: BigCommerce, since: float | None = None) -> list[int]:
    return [int(entity.external_id) for entity in await stand_in.walk(shop, Kind.PRODUCTS, since)]


def limits(store: Any) -> list[int]:
    return [int(query["limit"]) for query in store.queries(PRODUCTS)]


@pytest.mark.parametrize("count", [0, 250, 251, 620])
async def test_a_walk_sees_every_product_once(store: Any, shop: BigCommerce, count: int) -> None:
    store.add(*range(3, 3 + 2 * count, 2))
    assert await walk(shop) == list(range(3, 3 + 2 * count, 2))


async def test_a_walk_asks_for_whole_products_by_id(store: Any, shop: BigCommerce) -> None:
    store.add(*range(1, 252))
    await walk(shop)
    first, second = store.queries(PRODUCTS)
    assert first["sort"] == "id"
    assert first["direction"] == "asc"
    assert first["limit"] == "250"
    assert {"variants", "images"} <= set(first["include"].split(","))
    assert not {"options", "modifiers"} & set(first["include"].split(","))  # they limit pages to ten
    assert (first["id:greater"], second["id:greater"]) == ("0", "250")
    assert "page" not in first


@pytest.mark.parametrize("tells_total", [True, False])
async def test_a_server_that_caps_the_page_is_walked_to_the_end(
    store: Any, shop: BigCommerce, *, tells_total: bool
) -> None:
    store.add(*range(1, 121))
    store.caps, store.tells_total = 50, tells_total
    assert await walk(shop) == list(range(1, 121))


async def test_pages_shrink_until_the_store_bears_them_and_grow_again(
    store: Any, shop: BigCommerce, autojump_clock: MockClock
) -> None:
    store.add(*range(1, 701))
    store.bears = 80
    assert await walk(shop) == list(range(1, 701))
    assert limits(store)[:4] == [250, 125, 62, 87]
    store.bears = 250
    store.asked.clear()
    await walk(shop)
    sizes = limits(store)
    assert sizes == sorted(sizes)
    assert sizes[-1] > 80


async def test_a_store_that_bears_nothing_is_asked_for_the_floor_at_last(
    store: Any, shop: BigCommerce, autojump_clock: MockClock
) -> None:
    store.add(1)
    store.bears = 0
    for _ in range(3):
        with pytest.raises(Retry):
            await shop.page(Kind.PRODUCTS, None)
    assert min(limits(store)) == 10
    store.bears = 250
    assert len((await shop.page(Kind.PRODUCTS, None)).entities) == 1


async def test_a_timeout_shrinks_the_page_and_a_429_does_not(
    store: Any, shop: BigCommerce, autojump_clock: MockClock
) -> None:
    store.add(1)
    await shop.facts()
    store.asked.clear()
    store.script.extend([httpx.Response(429, headers={"X-Retry-After": "1"}), httpx.ReadTimeout("slow")])
    await shop.page(Kind.PRODUCTS, None)
    assert limits(store) == [250, 250, 125]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (httpx.Response(200, text='{"data":[{"id":1,'), "not_json"),
        (httpx.Response(200, html="<html>Please sign in to the hotel's network</html>"), "not_json"),
        (httpx.Response(200, content=b""), "not_json"),
        (httpx.Response(200, json=[]), "unexpected_shape"),
        (httpx.Response(200, json={"data": None}), "unexpected_shape"),
        (httpx.Response(200, json={"data": [{"name": "without id"}] * 2}), "unexpected_shape"),
        (httpx.Response(204), "unexpected_shape"),
        (httpx.Response(200, json={"data": [], "meta": {"pagination": {"total": 9}}}), "page_empty"),
        (httpx.Response(404, html="<h1>Not Found</h1>"), "http_404"),
        (httpx.Response(500), "http_500"),
    ],
)
async def test_an_answer_that_cannot_be_believed_is_tried_again(
    store: Any, shop: BigCommerce, autojump_clock: MockClock, answer: httpx.Response, reason: str
) -> None:
    store.add(1)
    await shop.facts()
    store.script.extend([answer] * 3)
    with pytest.raises(Retry) as failed:
        await shop.page(Kind.PRODUCTS, None)
    assert failed.value.reason == reason
    assert not store.script
    assert await walk(shop) == [1]


async def test_a_walk_that_does_not_advance_is_noticed(
    store: Any, shop: BigCommerce, autojump_clock: MockClock
) -> None:
    store.add(5)
    again = httpx.Response(200, json={"data": [store.products[5]]})
    await shop.facts()
    store.script.extend([again] * 3)
    with pytest.raises(Retry) as failed:
        await shop.page(Kind.PRODUCTS, "5")
    assert failed.value.reason == "page_out_of_order"


async def test_what_changed_is_asked_for_with_a_full_timestamp_from_a_little_earlier(
    store: Any, shop: BigCommerce
) -> None:
    store.add(*range(1, 252))
    assert await walk(shop, since=1_790_000_000.9) == list(range(1, 252))
    assert {query["date_modified:min"] for query in store.queries(PRODUCTS)} == {"2026-09-21T14:13:19Z"}


async def test_read_takes_one_call_for_250_ids_and_leaves_out_what_is_not_there(store: Any, shop: BigCommerce) -> None:
    store.add(*range(1, 250))
    ids = [ExternalId(str(id_)) for id_ in range(1, 251)]
    found = await shop.read(Kind.PRODUCTS, ids, Lane.LIVE)
    assert set(found) == set(ids[:-1])
    assert len(store.queries(PRODUCTS)) == 1


async def test_reading_nothing_asks_nothing(store: Any, shop: BigCommerce) -> None:
    assert await shop.read(Kind.PRODUCTS, [], Lane.LIVE) == {}
    assert store.asked == []


def told_with(text: bytes, where: str, cut: int | None = None) -> httpx.Response:
    """Answer a page of one product with `text` in the field `where`; the body ends at `cut`."""
    rest = {"name": "Mug", **PRODUCT, "id": 1, "variants": [{**VARIANT, "id": 2, "sku": "A"}]}
    rest.pop(where, None)
    field = b'"%s":"%s",' % (where.encode(), text)
    body = b'{"data":[{' + field + json.dumps(rest).encode()[1:] + b'],"meta":{"pagination":{"total":1}}}'
    return httpx.Response(200, content=body[:cut])


TEXTS = [
    (b"Caf\xc3", "Caf\ufffd"),
    (rb"Smile \ud83d", "Smile \ufffd"),
    (rb"\uDE00 \ud83d\u0041\ud83d\ud83d\ude00", "\ufffd \ufffdA\ufffd\U0001f600"),
    (rb"\\ud83d \ud83d \"" + b"\xff", '\\ud83d \ufffd "\ufffd'),
    (b"\xed\xa0\xbd", "\ufffd\ufffd\ufffd"),
]


@pytest.mark.parametrize(("text", "read"), TEXTS)
@pytest.mark.parametrize("field", ["name", "description"])
async def test_half_a_character_does_not_stop_a_walk(
    store: Any, shop: BigCommerce, text: bytes, read: str, field: str
) -> None:
    store.script.extend([told_with(text, field), httpx.Response(200, json={"data": [{"enabled": True}]})])
    page = await shop.page(Kind.PRODUCTS, None)
    product = shop.map(Kind.PRODUCTS, page.entities[0], FACTS).value
    assert isinstance(product, Product)
    assert field != "name" or page.entities[0].content.product.name == read


@pytest.mark.parametrize("text", [text for text, _ in TEXTS])
async def test_half_a_character_does_not_make_a_cut_off_page_whole(
    store: Any, shop: BigCommerce, text: bytes, autojump_clock: MockClock
) -> None:
    whole = told_with(text, "name").content
    inside = whole.index(b"\\u") if b"\\u" in whole else whole.index(text)
    # Cuts within the text too, wherever an escape in it ends.
    for cut in sorted({*range(20, len(whole), 7), *range(inside, inside + len(text) + 6)}):
        store.script.extend([told_with(text, "name", cut)] * 3)
        with pytest.raises(Retry) as failed:
            await shop.page(Kind.PRODUCTS, None)
        assert failed.value.reason == "not_json"


async def test_half_a_character_in_the_only_product_asked_for_is_read(store: Any, shop: BigCommerce) -> None:
    whole = json.dumps({"data": {**PRODUCT, "id": 1, "name": "Caf?", "variants": [{**VARIANT, "id": 2, "sku": "A"}]}})
    store.script.append(httpx.Response(200, content=whole.encode().replace(b"?", b"\xc3")))
    entity = await shop.read_one(Kind.PRODUCTS, ExternalId("1"), Lane.LIVE)
    assert entity is not None
    assert entity.content.product.name == "Caf\ufffd"


async def test_one_unreadable_product_does_not_stop_its_neighbours(store: Any, shop: BigCommerce) -> None:
    store.add(1, 3)
    store.add(2, variants=None)
    page = await shop.page(Kind.PRODUCTS, None)
    assert [entity.external_id for entity in page.entities] == ["1", "2", "3"]
    assert shop.map(Kind.PRODUCTS, page.entities[0], FACTS).value is not None
    with pytest.raises(Retry) as failed:
        shop.map(Kind.PRODUCTS, page.entities[1], FACTS)
    assert failed.value.reason == "unexpected_shape"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(403, json={"status": 403, "title": "You don't have a required scope"}),
        httpx.Response(404, json={"status": 404, "title": "Not found"}),
    ],
)
async def test_a_store_whose_locations_are_not_shown_has_one(
    store: Any, shop: BigCommerce, answer: httpx.Response
) -> None:
    store.script.extend([httpx.Response(200, json=store.info), answer])
    assert (await shop.facts()).locations == 1


async def test_facts(store: Any, shop: BigCommerce) -> None:
    facts = await shop.facts()
    assert facts == StoreFacts(
        currency="GBP", weight_unit="KGS", url="https://store-abc.mybigcommerce.com", locations=1
    )
    store.info["control_panel_base_url"] = "https://panel.example.com/"
    assert (await shop.facts()).url == "https://panel.example.com"


async def test_a_store_without_a_currency_is_not_believed(
    store: Any, shop: BigCommerce, autojump_clock: MockClock
) -> None:
    store.info = {"currency": "", "weight_units": "KGS"}
    with pytest.raises(Retry) as failed:
        await shop.facts()
    assert failed.value.reason == "unexpected_shape"


async def test_every_call_carries_the_token_and_no_url_does(store: Any, shop: BigCommerce) -> None:
    await shop.facts()
    await walk(shop)
    for request in store.asked:
        assert request.headers["X-Auth-Token"] == "very-secret-token"
        assert request.headers["Accept"] == "application/json"
        assert "very-secret-token" not in str(request.url)


async def test_a_whole_list_that_is_missing_is_not_an_end(store: Any, shop: BigCommerce) -> None:
    gone = {"status": 404, "title": "Not found"}
    await shop.facts()
    store.script.append(httpx.Response(404, json=gone))
    with pytest.raises(Missing):
        await shop.page(Kind.PRODUCTS, None)


async def test_only_a_404_says_that_a_product_is_gone(store: Any, shop: BigCommerce) -> None:
    store.script.append(httpx.Response(422, json={"status": 422, "title": "Invalid"}))
    with pytest.raises(Rejected):
        await shop.read_one(Kind.PRODUCTS, ExternalId("7"), Lane.LIVE)


@pytest.mark.parametrize("trouble", [httpx.Response(500), httpx.ReadTimeout("slow")])
async def test_the_throttle_is_told_how_each_call_went(
    autojump_clock: MockClock, store: Any, shop: BigCommerce, trouble: Any
) -> None:
    store.script.extend([trouble] * 10)
    for number in range(3):
        with pytest.raises(Retry):
            await shop.read_one(Kind.PRODUCTS, ExternalId(str(number)), Lane.LIVE)
    with pytest.raises(Blocked) as refused:
        await shop.read_one(Kind.PRODUCTS, ExternalId("3"), Lane.LIVE)
    assert refused.value.reason == "breaker_open"
    assert len(store.asked) == 10


async def test_the_throttle_learns_the_quota_from_the_headers(store: Any, shop: BigCommerce) -> None:
    quota = {"X-Rate-Limit-Requests-Left": "149", "X-Rate-Limit-Requests-Quota": "150"}
    store.script.append(httpx.Response(200, json={"time": 1}, headers={**quota, "X-Rate-Limit-Time-Reset-Ms": "9000"}))
    await shop.probe()
    assert shop.limiter.statistics().numbers.quota == 150
