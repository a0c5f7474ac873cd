"""The BigCommerce stand-in answers as the contract says, and refuses what the contract does not know."""

from typing import Any

import pytest

from daemon.sandbox import BigCommerceOptions, Store, synthetic
from daemon.sandbox.bigcommerce.api import Quota


@pytest.mark.parametrize(
    ("query", "culprit"),
    [
        ("frobnicate=1", "frobnicate"),
        ("limit=251", "limit"),
        ("limit=0", "limit"),
        ("page=x", "page"),
        ("include=variants,kittens", "include"),
        ("include_fields=name,sort_order", "include_fields"),
        ("exclude_fields=nonsense", "exclude_fields"),
        ("include_fields=name&exclude_fields=sku", "include_fields"),
        ("id:in=1,two", "id:in"),
        ("sort=weight", "sort"),
        ("direction=up", "direction"),
        ("date_modified:min=2026-01-01", "date_modified:min"),
        ("date_modified:min=2026-01-01T00:00:00", "date_modified:min"),
        ("date_modified:min=2026-01-01T00:00:00+00:00", "date_modified:min"),  # the plus sign means a space
        ("is_visible=perhaps", "is_visible"),
        ("limit=1&limit=2", "limit"),
    ],
)
async def test_unknown_or_malformed_parameters_are_refused(harness: Any, query: str, culprit: str) -> None:
    async with harness() as running:
        answer = await running.shop("GET", f"/v3/catalog/products?{query}")
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [culprit]


async def test_a_wrong_token_is_refused_in_plain_text(harness: Any) -> None:
    async with harness() as running:
        answer = await running.shop("GET", "/v2/time", headers={"X-Auth-Token": "wrong"})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "text/plain"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v3/catalog/products/4711", 404),
        ("GET", "/v3/catalog/products/abc", 404),
        ("GET", "/v3/nothing", 404),
        ("PATCH", "/v3/catalog/products", 405),
    ],
)
async def test_what_is_not_there_is_a_v3_problem(harness: Any, method: str, path: str, status: int) -> None:
    async with harness() as running:
        answer = await running.shop(method, path)
    assert (answer.status_code, answer.json()["status"]) == (status, status)


async def test_pages_by_keyset_show_every_product_once(harness: Any) -> None:
    seen: list[int] = []
    async with harness(synthetic(25)) as running:
        for _ in range(4):
            last = seen[-1] if seen else 0
            query = {"sort": "id", "direction": "asc", "id:greater": last, "limit": 10}
            answer = (await running.shop("GET", "/v3/catalog/products", params=query)).json()
            seen += [product["id"] for product in answer["data"]]
    assert seen == list(range(1, 26))


async def test_pages_by_number_say_how_many_there_are(harness: Any) -> None:
    async with harness(synthetic(25)) as running:
        answer = (await running.shop("GET", "/v3/catalog/products?limit=10&page=3")).json()
    assert len(answer["data"]) == 5
    pages = answer["meta"]["pagination"]
    assert (pages["total"], pages["count"], pages["total_pages"]) == (25, 5, 3)
    assert "next" not in pages["links"]


async def test_options_limit_a_page_to_ten_without_a_word(harness: Any) -> None:
    async with harness(synthetic(25)) as running:
        answer = (await running.shop("GET", "/v3/catalog/products?include=options&limit=250")).json()
    assert len(answer["data"]) == answer["meta"]["pagination"]["per_page"] == 10


async def test_a_variant_inherits_with_null_and_shows_what_counts(harness: Any) -> None:
    async with harness() as running:
        running.store.set_price(1, 45, running.store.by_sku("J-M").id)
        answer = await running.shop("GET", "/v3/catalog/products/1?include=variants")
    first, second = answer.json()["data"]["variants"]
    assert (first["price"], first["calculated_price"], first["weight"]) == (None, 40, None)
    assert (second["price"], second["calculated_price"]) == (45, 45)
    assert first["calculated_weight"] == 1.5
    assert {"map_price", "image_url", "sku_id", "option_values"} <= first.keys()


async def test_a_simple_product_has_one_base_variant_without_sku_id(harness: Any) -> None:
    async with harness() as running:
        mug = running.store.by_sku("MUG").product_id
        product = (await running.shop("GET", f"/v3/catalog/products/{mug}?include=variants")).json()["data"]
    (base,) = product["variants"]
    assert product["base_variant_id"] == base["id"]
    assert (base["option_values"], base["sku_id"]) == ([], None)
    assert (product["sku"], product["inventory_level"]) == ("MUG", 9)


async def test_fields_can_be_left_out_but_never_the_id(harness: Any) -> None:
    async with harness() as running:
        few = (await running.shop("GET", "/v3/catalog/products?include_fields=name")).json()["data"][0]
        most = (await running.shop("GET", "/v3/catalog/products?exclude_fields=description")).json()["data"][0]
    assert few.keys() == {"id", "name"}
    assert "description" not in most
    assert {"id", "sort_order"} <= most.keys()


async def test_changes_are_found_by_their_time(harness: Any) -> None:
    now = [1_800_000_000.0]
    store = Store(clock=lambda: now[0])
    first = store.add_product("Old")
    now[0] += 60
    second = store.add_product("New")
    async with harness(store) as running:
        query = {"date_modified:min": "2027-01-15T08:00:30Z", "sort": "date_modified"}
        assert await _ids(running, query) == [second]
        now[0] += 60
        store.set_title(first, "Newest")
        assert await _ids(running, query) == [second, first]
        with store.unstamped():
            store.set_title(second, "Changed without a date", silent=True)
        assert await _ids(running, query) == [second, first]


async def test_ids_that_do_not_exist_are_left_out(harness: Any) -> None:
    async with harness() as running:
        assert await _ids(running, {"id:in": "99,1"}) == [1]


async def test_stock_by_location_and_by_product(harness: Any) -> None:
    async with harness() as running:
        mug = running.store.by_sku("MUG")
        answer = await running.shop("GET", f"/v3/inventory/items?product_id:in={mug.product_id},99")
    (item,) = answer.json()["data"]
    assert item["identity"] == {"sku": "MUG", "variant_id": mug.id, "product_id": mug.product_id, "sku_id": None}
    assert item["locations"][0]["available_to_sell"] == 9


async def test_what_is_not_tracked_has_no_stock(harness: Any) -> None:
    async with harness() as running:
        running.store.set_tracking(1, "none")
        answer = await running.shop("GET", "/v3/inventory/items?product_id:in=1")
    assert answer.json()["data"] == []


async def test_the_store_tells_unit_and_currency(harness: Any) -> None:
    async with harness() as running:
        running.store.update_settings(weight_unit="KGS")
        running.store.update_settings(currency="GBP")
        store = (await running.shop("GET", "/v2/store")).json()
    assert (store["weight_units"], store["currency"]) == ("KGS", "GBP")


async def test_the_quota_is_told_and_kept(harness: Any) -> None:
    async with harness(bigcommerce=BigCommerceOptions(quota=2)) as running:
        first = await running.shop("GET", "/v2/time")
        await running.shop("GET", "/v2/time")
        refused = await running.shop("GET", "/v2/time")
    assert (first.headers["x-rate-limit-requests-quota"], first.headers["x-rate-limit-requests-left"]) == ("2", "1")
    assert refused.status_code == 429
    assert 0 < int(refused.headers["x-rate-limit-time-reset-ms"]) <= 30_000
    assert int(refused.headers["x-retry-after"]) > 0


async def test_a_refusal_can_come_without_headers(harness: Any) -> None:
    async with harness(bigcommerce=BigCommerceOptions(quota=0, headers_on_refusal=False)) as running:
        refused = await running.shop("GET", "/v2/time")
    assert refused.status_code == 429
    assert not [name for name in refused.headers if name.startswith("x-r")]


async def test_a_new_window_brings_a_new_quota(mock_clock: Any) -> None:
    quota = Quota(1, 30.0)
    assert [quota.take(), quota.take()] == [True, False]
    mock_clock.jump(30)
    assert quota.take()


async def _ids(running: Any, query: dict[str, str]) -> list[int]:
    answer = await running.shop("GET", "/v3/catalog/products", params=query)
    return [product["id"] for product in answer.json()["data"]]
