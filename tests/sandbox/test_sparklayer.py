"""The SparkLayer stand-in is strict: what the contract does not know is refused, and nothing of it is carried out."""

from typing import Any

import httpx
import pytest

from daemon.sandbox import SparkLayerOptions

PRICES = "/api/v1/price-lists/trade/pricing"
JUMPER = {"title": "Jumper", "slug": "jumper", "external_id": "1"}
SMALL = {"external_id": "11", "sku": "J-S", "status": "live"}
MEDIUM = {"external_id": "12", "sku": "J-M", "status": "live"}
MAIN = {"stock_location_external_id": "main"}
STOCK = {"sku": "J-S", "stock_level": 1, **MAIN}
RRP = {"currency_code": "USD", "price": 9.5}
BASE = {"customer_group": "base", "sell": True}
LIST = {"slug": "trade", "name": "Trade", "currency_code": "USD"}

REFUSED: list[tuple[str, str, Any, int, str | None]] = [
    ("POST", "products", {"title": "A"}, 400, "slug"),
    ("POST", "products", {"slug": "a"}, 400, "title"),
    ("POST", "products", JUMPER | {"title": ""}, 400, "title"),
    ("POST", "products", JUMPER | {"title": None}, 400, "title"),
    ("POST", "products", JUMPER | {"external_id": 1}, 400, "external_id"),
    ("POST", "products", JUMPER | {"external_id": "pp_1"}, 400, "external_id"),
    ("POST", "products", JUMPER | {"surprise": 1}, 400, "surprise"),
    ("POST", "products", JUMPER | {"external_id": "taken"}, 409, "external_id"),
    ("POST", "products", JUMPER | {"variants": [{"external_id": "pv_1"}]}, 400, "variants[0].external_id"),
    ("POST", "products", JUMPER | {"variants": [SMALL, {"sku": "J-S"}]}, 409, "variants[1].sku"),
    ("POST", "products", JUMPER | {"variants": [{"sku": "TAKEN"}]}, 409, "variants[0].sku"),
    ("POST", "products", JUMPER | {"variants": [{"external_id": "t1"}]}, 409, "variants[0].external_id"),
    ("POST", "products", JUMPER | {"variants": [{"status": "deleted"}]}, 400, "variants[0].status"),
    ("POST", "products", JUMPER | {"variants": [{"weight_in_grams": "5"}]}, 400, "variants[0].weight_in_grams"),
    ("POST", "products", JUMPER | {"variants": [{"weight_in_grams": -1}]}, 400, "variants[0].weight_in_grams"),
    ("POST", "products", JUMPER | {"variants": [{"stock": []}]}, 400, "variants[0].stock"),
    (
        "POST",
        "products",
        JUMPER | {"variants": [{"options": [{"group": "a", "value": "b"}, {"group": "a", "value": "c"}]}]},
        400,
        "variants[0].options",
    ),
    ("POST", "products", JUMPER | {"variants": [{"rrp": [RRP, RRP | {"price": 8}]}]}, 400, "variants[0].rrp"),
    (
        "POST",
        "products",
        JUMPER | {"variants": [{"rrp": [{"currency_code": "USD"}]}]},
        400,
        "variants[0].rrp[0].price",
    ),
    (
        "POST",
        "products",
        JUMPER | {"variants": [{"rrp": [RRP | {"price": -1}]}]},
        400,
        "variants[0].rrp[0].price",
    ),
    (
        "POST",
        "products",
        JUMPER | {"variants": [{"settings": [BASE, BASE | {"sell": False}]}]},
        400,
        "variants[0].settings",
    ),
    (
        "POST",
        "products",
        JUMPER | {"variants": [{"settings": [{"pack_size": 6}]}]},
        400,
        "variants[0].settings[0].customer_group",
    ),
    (
        "POST",
        "products",
        JUMPER | {"variants": [{"settings": [BASE | {"pack_size": "6"}]}]},
        400,
        "variants[0].settings[0].pack_size",
    ),
    (
        "POST",
        "products",
        JUMPER | {"variants": [{"settings": [BASE | {"min_stock_level": 1}]}]},
        400,
        "variants[0].settings[0].min_stock_level",
    ),
    ("PATCH", "products/none", {"title": "A"}, 404, None),
    ("GET", "products/none", None, 404, None),
    ("GET", "variants/none", None, 404, None),
    ("PATCH", "variants/t1", {"sku": "J-S2", "surprise": 1}, 400, "surprise"),
    ("POST", "batch-update-stock", [], 400, ""),
    ("POST", "batch-update-stock", [STOCK | {"stock_level": 1.5}], 400, "[0].stock_level"),
    ("POST", "batch-update-stock", [STOCK | {"stock_level": "1"}], 400, "[0].stock_level"),
    ("POST", "batch-update-stock", [STOCK, STOCK], 400, "[1].sku"),
    ("POST", "batch-update-stock", [{"sku": "J-S", "stock_level": 1}], 400, "[0].stock_location_id"),
    ("POST", "batch-update-stock", [STOCK | {"stock_location_id": "sl_1"}], 400, "[0].stock_location_id"),
    (
        "POST",
        "batch-update-stock",
        [STOCK | {"stock_location_external_id": "attic"}],
        400,
        "[0].stock_location_external_id",
    ),
    ("POST", "batch-update-stock", [STOCK | {"restock_date": "soon"}], 400, "[0].restock_date"),
    ("POST", "batch-update-stock", [STOCK | {"restock_date": None}], 400, "[0].restock_date"),
    ("POST", "batch-update-stock", [STOCK | {"min_stock_level": 0.5}], 400, "[0].min_stock_level"),
    ("POST", "batch-update-stock", [STOCK | {"min_stock_level": None}], 400, "[0].min_stock_level"),
    ("POST", "batch-delete-stock", ["J-S"], 400, ""),
    ("POST", "batch-fetch-stock", ["J-S"], 400, ""),
    ("POST", "batch-fetch-stock", {"skus": []}, 400, "skus"),
    ("POST", "stock-locations", {"name": "Attic", "external_id": "main"}, 409, None),
    ("POST", "price-lists", LIST | {"slug": "x" * 31}, 400, "slug"),
    ("POST", "price-lists", LIST | {"currency_code": "usd"}, 400, "currency_code"),
    ("POST", "price-lists", LIST | {"source": "mars"}, 400, "source"),
    ("POST", "price-lists", LIST, 400, None),
    ("POST", "price-lists", LIST | {"slug": "b", "tax_inclusive_display": True}, 400, "tax_inclusive_display"),
    ("PATCH", "price-lists/trade", {"tax_inclusive_display": "no"}, 400, "tax_inclusive_display"),
    ("PATCH", "price-lists/trade", {"tax_inclusive_display": None}, 400, "tax_inclusive_display"),
    ("PATCH", "price-lists/trade", {"slug": "other"}, 400, "slug"),
    ("PATCH", "price-lists/trade", {"source": "custom"}, 400, "source"),
    ("GET", "price-lists/none", None, 404, None),
    ("PATCH", "price-lists/none/pricing", [], 404, None),
    ("PATCH", "batch-update-pricing", [{"sku": "A", "price_list_slug": "none", "pricing": []}], 404, None),
    ("PUT", "store-currency", {"currency_code": "EUR"}, 409, None),
    ("PUT", "store-currency", {"currency_code": "usd"}, 400, "currency_code"),
    ("PATCH", "settings", [{"key": "baseCurrency", "value": "EUR"}], 403, None),
    ("PATCH", "settings", [{"key": "baseCurrency"}], 400, "[0].value"),
    ("PATCH", "settings", {"key": "baseCurrency", "value": "EUR"}, 400, ""),
    ("PATCH", "settings", [], 400, ""),
    ("GET", "products/1?fields=all", None, 400, None),
    ("DELETE", "products/1", None, 405, None),
    ("GET", "kittens", None, 404, None),
]


async def furnish(running: Any) -> None:
    """Make a product, a price list and a currency that later calls can collide with."""
    taken = {"title": "T", "slug": "t", "external_id": "taken", "variants": [{"external_id": "t1", "sku": "TAKEN"}]}
    await running.site("POST", "/api/v1/products", taken)
    await running.site("POST", "/api/v1/price-lists", LIST)
    await running.site("PUT", "/api/v1/store-currency", {"currency_code": "USD"})


async def test_a_problem_names_the_place_and_changes_nothing(harness: Any) -> None:
    async with harness() as running:
        await furnish(running)
        before = running.sandbox.sparklayer.state.comparable()
        for method, path, body, status, place in REFUSED:
            answer = await running.site(method, f"/api/v1/{path}", body)
            case, problem = (method, path, body), answer.json()
            assert running.sandbox.sparklayer.state.comparable() == before, case
            assert (answer.status_code, problem["status"]) == (status, status), (case, problem)
            assert answer.headers["content-type"] == "application/problem+json", case
            assert [error["property"] for error in problem.get("errors", [])] == ([] if place is None else [place]), (
                case
            )


@pytest.mark.parametrize(
    ("entries", "lines"),
    [
        ([{"sku": "A", "pricing": [{"quantity": 1, "price": -1}]}], [(0, "pricing[0].price")]),
        ([{"sku": "A", "pricing": []}, {"sku": "B", "pricing": [{"price": 1}]}], [(1, "pricing[0].quantity")]),
        ([{"sku": "A", "pricing": []}, {"sku": "B"}], [(1, "pricing")]),
        ([{"sku": "A", "pricing": [{"quantity": 0, "price": 1}]}], [(0, "pricing[0].quantity")]),
        ([{"sku": "A", "pricing": [{"quantity": 1, "price": "1"}]}], [(0, "pricing[0].price")]),
        ([{"sku": "A", "pricing": [], "surprise": 1}], [(0, "surprise")]),
        ([{"sku": "A", "pricing": []}, {"sku": "A", "pricing": []}], [(1, "sku")]),
        ([{"sku": "A", "pricing": [{"quantity": 1, "price": 1}] * 2}], [(0, "pricing")]),
    ],
)
async def test_refused_prices_are_a_bare_list_of_lines(harness: Any, entries: Any, lines: list[Any]) -> None:
    async with harness() as running:
        await furnish(running)
        answer = await running.site("PATCH", PRICES, entries)
        assert running.sandbox.sparklayer.state.prices.writes == 0
    assert answer.status_code == 400
    assert [(line["line"], line["field"]) for line in answer.json()] == lines


async def test_prices_replace_those_of_their_sku_only(harness: Any) -> None:
    async with harness() as running:
        await furnish(running)
        prices = running.sandbox.sparklayer.state
        both = [
            {"sku": "A", "pricing": [{"quantity": 1, "price": 10.4}, {"quantity": 5, "price": 9}]},
            {"sku": "B/1", "pricing": [{"quantity": 1, "price": 3}]},
        ]
        assert (await running.site("PATCH", PRICES, both)).status_code == 204
        await running.site("PATCH", PRICES, [{"sku": "A", "pricing": [{"quantity": 1, "price": 8}]}])
        assert prices.comparable()["prices"] == {"trade": {"A": [[1, 8]], "B/1": [[1, 3]]}}
        of_sku = await running.site("GET", "/api/v1/pricing/B%2F1")
        await running.site("PATCH", PRICES, [{"sku": "A", "pricing": []}])
        rows = await running.site("GET", PRICES)
        await running.site("DELETE", PRICES)
        assert prices.comparable()["prices"] == {}
    assert of_sku.json() == [{"price_list_slug": "trade", "pricing": [{"quantity": 1, "price": 3}]}]
    assert rows.json() == [{"sku": "B/1", "quantity": 1, "price": 3}]


async def test_stock_is_kept_by_sku_and_location(harness: Any) -> None:
    options = SparkLayerOptions(locations=(("main", "Main"), ("attic", "Attic")))
    async with harness(sparklayer=options) as running:
        levels = [STOCK | {"min_stock_level": -9}, {"sku": "J-S", "stock_level": 2, "stock_location_id": "sl_2"}]
        await running.site("POST", "/api/v1/batch-update-stock", levels)
        await running.site("POST", "/api/v1/batch-update-stock", [STOCK])
        skus = {"skus": ["J-S", "NONE"]}
        bare = await running.site("POST", "/api/v1/batch-fetch-stock", skus)
        attic = skus | {"filter": {"stock_location_ids": ["sl_2"]}}
        there_only = await running.site("POST", "/api/v1/batch-fetch-stock", attic)
        everywhere = skus | {"filter": {"all_stock_locations": True}}
        fetched = await running.site("POST", "/api/v1/batch-fetch-stock", everywhere)
        await running.site("POST", "/api/v1/batch-delete-stock", skus)
        assert running.sandbox.sparklayer.state.comparable()["stock"] == {}
    here, there = {"stock_location_id": "sl_1", "stock_level": 1}, {"stock_location_id": "sl_2", "stock_level": 2}
    assert bare.json() == [], "no location is called default"
    assert there_only.json() == [{"sku": "J-S", "stock_levels": [there]}]
    assert fetched.json() == [{"sku": "J-S", "stock_levels": [here, there]}]


async def test_stock_terms_that_are_left_out_are_cleared(harness: Any) -> None:
    async with harness(sparklayer=SparkLayerOptions(locations=(("main", "Main"), ("attic", "Attic")))) as running:
        state = running.sandbox.sparklayer.state
        there = {"sku": "J-S", "stock_level": 2, "stock_location_external_id": "attic"}
        terms = {"restock_date": "2027-01-01", "min_stock_level": -9}
        await running.site("POST", "/api/v1/batch-update-stock", [STOCK | terms, there])
        full = state.comparable()
        await running.site("POST", "/api/v1/batch-update-stock", [STOCK | {"min_stock_level": 0}])
        less = state.comparable()
        await running.site("POST", "/api/v1/batch-update-stock", [STOCK])
        none = state.comparable()
    assert full["stock"] == less["stock"] == none["stock"] == {"J-S": {"main": 1, "attic": 2}}
    assert full["stock_terms"] == {"J-S": {"main": terms}}
    assert less["stock_terms"] == {"J-S": {"main": {"min_stock_level": 0}}}
    assert none["stock_terms"] == {}


async def test_rules_and_recommended_prices_are_replaced_whole(harness: Any) -> None:
    async with harness() as running:
        sent = [SMALL | {"rrp": [RRP], "settings": [BASE | {"pack_size": 6}]}]
        await running.site("POST", "/api/v1/products", JUMPER | {"variants": sent})
        await running.site("PATCH", "/api/v1/variants/11", {"settings": [BASE]})
        held = running.sandbox.sparklayer.state.comparable()["products"]["1"]["variants"]["11"]
    assert (held["rrp"], held["settings"]) == ([RRP], [BASE])


async def test_a_price_list_tells_how_its_prices_are_shown(harness: Any) -> None:
    async with harness() as running:
        await running.site("POST", "/api/v1/price-lists", LIST)
        made = await running.site("PATCH", "/api/v1/price-lists/trade", {"tax_inclusive_display": True})
        named = await running.site("PATCH", "/api/v1/price-lists/trade", {"name": "Net"})
        changed = await running.site("PATCH", "/api/v1/price-lists/trade", {"tax_inclusive_display": False})
        picture = running.sandbox.sparklayer.state.comparable()["price_lists"]
    shown = [answer.json()["tax_inclusive_display"] for answer in (made, named, changed)]
    assert shown == [True, True, False]
    assert picture == {"trade": LIST | {"name": "Net", "source": "integration", "tax_inclusive_display": False}}


@pytest.mark.parametrize("mode", ["merge", "replace"])
async def test_patch_merges_or_replaces_variants(harness: Any, mode: Any) -> None:
    async with harness(sparklayer=SparkLayerOptions(variants=mode)) as running:
        await running.site("POST", "/api/v1/products", JUMPER | {"variants": [SMALL, MEDIUM]})
        answer = await running.site("PATCH", "/api/v1/products/1", {"variants": [{"external_id": "11", "sku": "X"}]})
        reused = await running.site("PATCH", "/api/v1/products/1", {"variants": [{"external_id": "13", "sku": "J-M"}]})
    variants = {variant["external_id"]: variant for variant in answer.json()["variants"]}
    assert variants["11"].get("status") == ("live" if mode == "merge" else None)
    assert variants.keys() == ({"11", "12"} if mode == "merge" else {"11"})
    assert reused.status_code == (409 if mode == "merge" else 200)


async def test_a_sku_must_be_free_when_its_turn_comes(harness: Any) -> None:
    async with harness() as running:
        await running.site("POST", "/api/v1/products", JUMPER | {"variants": [SMALL, MEDIUM]})

        async def patch(*variants: tuple[str, str]) -> int:
            listed = [{"external_id": external_id, "sku": sku} for external_id, sku in variants]
            answer: httpx.Response = await running.site("PATCH", "/api/v1/products/1", {"variants": listed})
            return answer.status_code

        assert await patch(("11", "J-M"), ("12", "J-S")) == 409
        assert await patch(("12", "free"), ("11", "J-M")) == 200
        assert await patch(("12", "J-S")) == 200


async def test_a_discontinued_variant_still_owns_its_sku(harness: Any) -> None:
    async with harness() as running:
        await running.site("POST", "/api/v1/products", JUMPER | {"variants": [SMALL]})
        await running.site("PATCH", "/api/v1/variants/11", {"status": "discontinued"})
        other = JUMPER | {"external_id": "2", "variants": [{"external_id": "21", "sku": "J-S"}]}
        assert (await running.site("POST", "/api/v1/products", other)).status_code == 409
        await running.site("PATCH", "/api/v1/variants/11", {"sku": "free"})
        assert (await running.site("POST", "/api/v1/products", other)).status_code == 200


async def test_internal_and_external_ids_lead_to_the_same_product(harness: Any) -> None:
    async with harness() as running:
        odd = JUMPER | {"external_id": "a/b c", "variants": [SMALL]}
        made = (await running.site("POST", "/api/v1/products", odd)).json()
        by_external = (await running.site("GET", "/api/v1/products/a%2Fb%20c")).json()
        by_internal = (await running.site("GET", f"/api/v1/products/{made['id']}")).json()
        variant = (await running.site("GET", f"/api/v1/variants/{made['variants'][0]['id']}")).json()
    assert made == by_external == by_internal
    assert variant == made["variants"][0]


async def test_the_status_of_a_duplicate_and_the_body_of_a_problem_are_switches(harness: Any) -> None:
    options = SparkLayerOptions(duplicate_status=422, problem_bodies=False)
    async with harness(sparklayer=options) as running:
        await furnish(running)
        answer = await running.site("POST", "/api/v1/products", JUMPER | {"external_id": "taken"})
    assert (answer.status_code, answer.content) == (422, b"")


async def test_writes_are_counted_and_kept_when_wanted(harness: Any) -> None:
    async with harness(sparklayer=SparkLayerOptions(journal=True)) as running:
        await running.site("POST", "/api/v1/products", JUMPER)
        await running.site("PATCH", "/api/v1/products/1", {"title": "Pullover"})
        await running.site("PATCH", "/api/v1/products/1", {"title": None})
        site = running.sandbox.sparklayer
    assert site.state.products.writes == 2
    assert site.state.products.journal == {"1": [JUMPER, {"title": "Pullover"}]}
    assert site.statistics.calls["PATCH /api/v1/products/{product_id}"] == 2


async def test_settings_may_be_written_when_the_switch_says_so(harness: Any) -> None:
    async with harness(sparklayer=SparkLayerOptions(settings_writable=True)) as running:
        assert (await running.site("GET", "/api/v1/store-currency")).status_code == 404
        row = {"key": "baseCurrency", "value": "EUR"}
        assert (await running.site("PATCH", "/api/v1/settings", [row])).status_code == 204
        assert (await running.site("PATCH", "/api/v1/settings", [row | {"key": "other"}])).status_code == 403
        assert (await running.site("GET", "/api/v1/store-currency")).json() == {"currency_code": "EUR"}


@pytest.mark.parametrize("status", [400, 403, 404, 422])
async def test_the_status_of_refused_settings_is_a_switch(harness: Any, status: int) -> None:
    async with harness(sparklayer=SparkLayerOptions(settings_refusal=status)) as running:
        answer = await running.site("PATCH", "/api/v1/settings", [{"key": "baseCurrency", "value": "EUR"}])
        assert running.sandbox.sparklayer.state.settings.currency is None
    assert (answer.status_code, answer.json()["status"]) == (status, status)


async def test_a_store_currency_that_is_set_stays(harness: Any) -> None:
    async with harness() as running:
        for currency, status in (("GBP", 200), ("GBP", 200), ("EUR", 409)):
            answer = await running.site("PUT", "/api/v1/store-currency", {"currency_code": currency})
            assert answer.status_code == status
        assert (await running.site("GET", "/api/v1/store-currency")).json() == {"currency_code": "GBP"}


async def test_writable_settings_need_a_currency(harness: Any) -> None:
    async with harness(sparklayer=SparkLayerOptions(settings_writable=True)) as running:
        answer = await running.site("PATCH", "/api/v1/settings", [{"key": "baseCurrency", "value": 5}])
    assert (answer.status_code, answer.json()["errors"][0]["property"]) == (400, "[0].value")


async def test_price_lists_come_in_pages(harness: Any) -> None:
    async with harness() as running:
        for slug in ("a", "b", "c"):
            source = "platform" if slug == "c" else "integration"
            await running.site("POST", "/api/v1/price-lists", LIST | {"slug": slug, "source": source})
        second = (await running.site("GET", "/api/v2/price-lists?page=2&page_size=2")).json()
        platform = (await running.site("GET", "/api/v2/price-lists?source=platform")).json()
        asked = ("page_size=251", "page=0", "page=", "slug=a")
        refused = [await running.site("GET", f"/api/v2/price-lists?{query}") for query in asked]
        everything = (await running.site("GET", "/api/v1/price-lists")).json()
    assert ([found["slug"] for found in second["data"]], second["pagination"]["total_pages"]) == (["c"], 2)
    assert [found["slug"] for found in platform["data"]] == ["c"]
    positions = [answer.json()["errors"][0]["property"] for answer in refused if answer.status_code == 400]
    assert positions == ["page_size", "page", "page", "slug"]
    assert [found["source"] for found in everything] == ["integration", "integration", "platform"]
