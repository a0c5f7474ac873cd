"""Lists of the shop: pages by offset that move under a reader, statuses, roles, fields, and inheritance."""

from typing import Any

import pytest

from daemon.sandbox.woocommerce import B2B_ROLE
from tests.sandbox.woocommerce.small import ANN, BOB, JUMPER, MEDIUM, MUG, ORDER, SMALL


def ids(rows: Any) -> list[int]:
    return [row["id"] for row in rows]


async def test_a_row_that_goes_from_an_earlier_page_skips_one(running: Any, recordings: Any) -> None:
    """As recorded: by id, one trashed skips one; by date, which is the default, one made repeats one."""
    known = dict(recordings("semantics")[-2:])
    async with running() as shop:
        made = [shop.shop.add_product(f"Product {number}") for number in range(8)]
        first = ids(await shop.get("/products?per_page=5&orderby=id&order=asc"))
        shop.shop.trash_product(first[0])
        second = ids(await shop.get("/products?per_page=5&orderby=id&order=asc&offset=5"))
        skipped = set(made) - {*first, *second}
        newest = ids(await shop.get("/products?per_page=5"))
        shop.shop.add_product("New")
        older = ids(await shop.get("/products?per_page=5&page=2"))
    assert len(skipped) == len(known["orderby=id asc, a product of page 1 trashed before page 2 is read: skipped ids"])
    repeated = known["default order, a product created between page 1 and 2: repeated ids"]
    assert len({*newest} & {*older}) == repeated == 1


async def test_pages_count_and_link(running: Any) -> None:
    async with running() as shop:
        for number in range(5):
            shop.shop.add_product(f"Product {number}")
        answers = [
            await shop.ask("GET", f"/products?per_page=3&orderby=id&order=asc&page={page}") for page in (1, 2, 3, 4)
        ]
    assert [len(answer.json()) for answer in answers] == [3, 3, 1, 0]
    assert {(answer.headers["x-wp-total"], answer.headers["x-wp-totalpages"]) for answer in answers} == {("7", "3")}
    relations = [[part.split("rel=")[1] for part in answer.headers["link"].split(", ")] for answer in answers]
    assert relations == [['"next"'], ['"prev"', '"next"'], ['"prev"'], ['"prev"']]


async def test_offset_goes_before_page(running: Any) -> None:
    async with running() as shop:
        assert ids(await shop.get("/products?per_page=1&page=1&offset=1&orderby=id&order=asc")) == [JUMPER]


STATUSES = {
    "": {MUG, 6, 7, 8, 9},
    "status=any": {MUG, 6, 7, 8, 9},
    "status=trash": {JUMPER},
    "status=draft": {6},
    "include_status=publish,trash": {MUG, JUMPER},
    "include_status=publish,draft,pending,private,future,trash": {MUG, JUMPER, 6, 7, 8, 9},
    "include_status=any": {MUG, 6, 7, 8, 9},
    "exclude_status=draft,private": {MUG, 7, 9},
    "include=1,2": {MUG},
    "include=1,2&include_status=publish,trash": {MUG, JUMPER},
}


@pytest.mark.parametrize("query", STATUSES)
async def test_a_list_has_the_statuses_asked_for(running: Any, query: str) -> None:
    async with running() as shop:
        for status in ("draft", "pending", "private", "future"):
            shop.shop.add_product(status, status=status)
        shop.shop.trash_product(JUMPER)
        assert set(ids(await shop.get(f"/products?{query}"))) == STATUSES[query]
        trashed = await shop.get(f"/products/{JUMPER}")
    assert (trashed["status"], trashed["sku"], trashed["variations"]) == ("trash", "J", [])


@pytest.mark.parametrize(
    "query", ["status=any,trash", "include_status=nonsense", "orderby=modified&order=up", "offset=-1", "include=a,b"]
)
async def test_a_malformed_list_is_refused(running: Any, query: str) -> None:
    async with running() as shop:
        answer = await shop.ask("GET", f"/products?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "rest_invalid_param")


ORDER_STATUSES = {"": {ORDER}, "status=any": {ORDER}, "status=trash": {6}, "status=any,trash": {ORDER}}
ORDER_STATUSES |= {"status=pending,processing": {ORDER}, "status=completed": set(), "status=pending,trash": {ORDER, 6}}


@pytest.mark.parametrize("query", ORDER_STATUSES)
async def test_orders_are_listed_by_status(running: Any, query: str) -> None:
    async with running() as shop:
        shop.shop.orders.trash(shop.shop.orders.place(BOB, [{"sku": "MUG"}]))
        assert set(ids(await shop.get(f"/orders?{query}"))) == ORDER_STATUSES[query]
        assert (await shop.get("/orders/6"))["status"] == "trash"


ROLES = {
    "": {ANN, BOB},
    "role=customer": {ANN, BOB},
    f"role={B2B_ROLE}": {ANN},
    f"role={B2B_ROLE}&include={ANN},{BOB}": {ANN},
    f"role={B2B_ROLE}&include={BOB}": set(),
    "role=administrator": {1},
    "role=all": {1, ANN, BOB},
    "role=editor": set(),
}


@pytest.mark.parametrize("query", ROLES)
async def test_a_role_finds_who_has_it_among_others(running: Any, query: str) -> None:
    async with running() as shop:
        rows = await shop.get(f"/customers?{query}")
    assert set(ids(rows)) == ROLES[query]
    # The object shows the first role only.
    assert {row["role"] for row in rows if row["id"] == ANN} <= {"customer"}


async def test_an_unknown_role_is_refused_with_the_known_ones(running: Any) -> None:
    async with running() as shop:
        answer = await shop.ask("GET", "/customers?role=sparklayer_b2b_gold")
        two = await shop.ask("GET", f"/customers?role=customer,{B2B_ROLE}")
        options = await shop.ask("OPTIONS", "/customers")
        shop.shop.customers.delete_role(B2B_ROLE)
        gone = await shop.ask("GET", f"/customers?role={B2B_ROLE}")
    assert [each.status_code for each in (answer, two, gone)] == [400, 400, 400]
    assert B2B_ROLE in answer.json()["data"]["params"]["role"]
    known = options.json()["endpoints"][0]["args"]["role"]["enum"]
    assert known[0] == "all"
    assert {"customer", "subscriber", "shop_manager", B2B_ROLE} <= set(known)


async def test_fields_and_meta_data_can_be_cut(running: Any) -> None:
    async with running() as shop:
        shop.shop.orders.set_meta(ORDER, "other", "x")
        (order,) = await shop.get("/orders?_fields=id,status,meta_data,billing.email&include_meta=sparklayer_cart_id")
        (rest,) = await shop.get("/orders?exclude_meta=sparklayer_cart_id")
        one = await shop.get(f"/products/{MUG}?_fields=id,sku&_skip_cache=1")
    assert order["meta_data"][0]["value"] == "cart"
    assert (order.keys(), len(order["meta_data"])) == ({"id", "status", "meta_data", "billing"}, 1)
    assert order["billing"].keys() == {"email"}
    assert [row["key"] for row in rest["meta_data"]] == ["other"]
    assert one == {"id": MUG, "sku": "MUG"}


async def test_a_variation_shows_what_its_product_has(running: Any) -> None:
    async with running() as shop:
        shop.shop.update(MEDIUM, manage_stock=False, stock_status="outofstock")
        alone = await shop.get(f"/products/{JUMPER}/variations/{MEDIUM}")
        shop.shop.set_stock(JUMPER, 12)
        shared = await shop.get(f"/products/{JUMPER}/variations/{MEDIUM}")
        own = await shop.get(f"/products/{JUMPER}/variations/{SMALL}")
        as_product = await shop.get(f"/products/{MEDIUM}")
        parent = await shop.get(f"/products/{JUMPER}")
    assert (alone["sku"], alone["weight"]) == ("J", "1.5")
    assert (alone["manage_stock"], alone["stock_quantity"], alone["stock_status"]) == (False, None, "outofstock")
    assert (shared["manage_stock"], shared["stock_quantity"], shared["stock_status"]) == ("parent", 12, "instock")
    assert (own["sku"], own["manage_stock"], own["stock_quantity"]) == ("J-S", True, 3)
    assert (as_product["type"], as_product["parent_id"], as_product["name"]) == ("variation", JUMPER, "Jumper - M")
    assert (parent["price"], parent["regular_price"], parent["variations"]) == ("40", "", [SMALL, MEDIUM])


async def test_variations_of_all_products_are_found_by_ids_and_parents(running: Any) -> None:
    async with running() as shop:
        shop.shop.set_status(MEDIUM, "private")
        assert set(ids(await shop.get("/variations"))) == {SMALL, MEDIUM}
        assert ids(await shop.get(f"/variations?include={SMALL},99")) == [SMALL]
        assert ids(await shop.get(f"/variations?include={MEDIUM},{SMALL}&orderby=include")) == [MEDIUM, SMALL]
        assert ids(await shop.get("/variations?parent=1")) == []
        assert (await shop.get(f"/products/{JUMPER}"))["variations"] == [SMALL, MEDIUM]
        written = await shop.ask("POST", "/variations", {})
    assert (written.status_code, written.json()["code"]) == (404, "rest_no_route")


async def test_restored_by_rest_a_product_leaves_its_variations_in_the_trash(running: Any) -> None:
    async with running() as shop:
        shop.shop.trash_product(JUMPER)
        await shop.ask("PUT", f"/products/{JUMPER}", {"status": "publish"})
        assert (await shop.get(f"/products/{JUMPER}"))["variations"] == []
        assert set(ids(await shop.get("/variations?status=trash"))) == {SMALL, MEDIUM}
        shop.shop.trash_product(JUMPER)
        shop.shop.restore_product(JUMPER)
        restored = await shop.get(f"/products/{JUMPER}")
    assert (restored["status"], restored["variations"]) == ("publish", [SMALL, MEDIUM])


async def test_a_single_variant_without_options_makes_a_simple_product(running: Any) -> None:
    async with running() as shop:
        made = shop.shop.add_product("Hat", price=5, variants=[{"sku": "HAT", "stock": 2, "price": "6"}])
        hat = await shop.get(f"/products/{made}")
    assert (hat["type"], hat["sku"], hat["price"], hat["stock_quantity"]) == ("simple", "HAT", "6", 2)


async def test_what_is_deleted_for_good_is_unknown(running: Any) -> None:
    async with running() as shop:
        await shop.ask("DELETE", f"/products/{JUMPER}?force=true")
        shop.shop.trash_product(MUG)
        shop.shop.empty_trash()
        answers = [await shop.ask("GET", f"/products/{number}") for number in (MUG, JUMPER, SMALL, MEDIUM)]
        answers.append(await shop.ask("DELETE", f"/orders/{ORDER}?force=true"))
        answers.append(await shop.ask("GET", f"/orders/{ORDER}"))
    assert [answer.status_code for answer in answers] == [404, 404, 404, 404, 200, 404]


async def test_a_renamed_term_is_shown_at_once(running: Any) -> None:
    async with running() as shop:
        shop.shop.rename_term("Size", "S", "Small")
        variation = await shop.get(f"/products/{JUMPER}/variations/{SMALL}")
        product = await shop.get(f"/products/{JUMPER}")
    assert variation["attributes"][0] == {"id": 1, "name": "Size", "slug": "pa_size", "option": "Small"}
    assert product["attributes"][0]["options"] == ["Small", "M"]


async def test_a_search_by_sku_finds_variations(running: Any) -> None:
    async with running() as shop:
        assert ids(await shop.get("/products?sku=J-S")) == [SMALL]
        assert set(ids(await shop.get("/products?search_sku=j"))) == {JUMPER, SMALL}
        assert ids(await shop.get("/products?search=mug")) == [MUG]
        assert ids(await shop.get("/products?type=variable")) == [JUMPER]
