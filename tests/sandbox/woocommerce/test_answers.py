"""To each recorded request the shop answers with the recorded status, refusal and headers."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest

from daemon.sandbox.woocommerce import failures

Ask = Callable[[Any], Any]

REQUESTS: Mapping[str, tuple[str, str, Any]] = {
    "page_0": ("GET", "/products?page=0", None),
    "err_400_bad_orderby": ("GET", "/products?orderby=price_x", None),
    "err_400_customer_email_exists": ("POST", "/customers", {"email": "ann@example.com"}),
    "err_400_duplicate_sku": ("POST", "/products", {"name": "dup", "type": "simple", "sku": "MUG"}),
    "err_400_modified_after_not_a_date": ("GET", "/products?modified_after=yesterday", None),
    "err_400_per_page_101": ("GET", "/products?per_page=101", None),
    "err_400_wrong_type": ("POST", "/products", {"name": "x", "stock_quantity": "many"}),
    "err_404_customer": ("GET", "/customers/99999999", None),
    "err_404_order": ("GET", "/orders/99999999", None),
    "err_404_product": ("GET", "/products/99999999", None),
    "err_404_route": ("GET", "/nosuch", None),
    "err_404_variation_of_other_parent": ("GET", "/products/1/variations/3", None),
    "err_405_or_404_method": ("PATCH", "/products", {}),
    "err_413_batch_101": ("POST", "/products/batch", {"create": [{"name": f"n{number}"} for number in range(101)]}),
    "err_customer_bad_email": ("POST", "/customers", {"email": "nope"}),
    "err_delete_order_without_force_customer": ("DELETE", "/customers/2", None),
    "customer_single": ("GET", "/customers/2", None),
    "customers_default": ("GET", "/customers?per_page=100", None),
    "customers_modified_after_is_ignored": ("GET", "/customers?modified_after=2099-01-01T00:00:00&per_page=100", None),
    "customers_role_all": ("GET", "/customers?role=all&per_page=100&orderby=id&order=asc", None),
    "data_currency_current": ("GET", "/data/currencies/current", None),
    "order_single_with_refund": ("GET", "/orders/5", None),
    "order_refunds": ("GET", "/orders/5/refunds", None),
    "orders_page": ("GET", "/orders?per_page=100&page=1&orderby=id&order=asc", None),
    "orders_page2": ("GET", "/orders?per_page=1&page=1&orderby=id&order=asc", None),
    "orders_modified_after": ("GET", "/orders?modified_after=2099-11-23T09:05:55&dates_are_gmt=true", None),
    "orders_status_filter": ("GET", "/orders?status=processing,on-hold&per_page=100", None),
    "product_simple_single": ("GET", "/products/1", None),
    "product_variable_single": ("GET", "/products/2", None),
    "product_variations": ("GET", "/products/2/variations?per_page=100", None),
    "products_by_sku": ("GET", "/products?sku=MUG", None),
    "products_by_variation_sku": ("GET", "/products?sku=GAR-1043-1", None),
    "products_default": ("GET", "/products", None),
    "products_head": ("HEAD", "/products?per_page=100", None),
    "products_include": ("GET", "/products?include=1,2&per_page=100", None),
    "products_past_the_end": ("GET", "/products?per_page=100&page=9", None),
    "products_status_any": ("GET", "/products?status=any&per_page=1", None),
    "products_trash": ("GET", "/products?status=trash", None),
    "products_variable": ("GET", "/products?type=variable&per_page=100&orderby=id&order=asc", None),
    "products_modified_after": ("GET", "/products?modified_after=2026-01-01T09:05:55&dates_are_gmt=true", None),
    "refunds_all": ("GET", "/refunds?per_page=100", None),
    "settings_currency": ("GET", "/settings/general/woocommerce_currency", None),
    "settings_general": ("GET", "/settings/general", None),
    "settings_groups": ("GET", "/settings", None),
    "variation_inherits_parent_sku": ("GET", "/products/2/variations/4", None),
    "variation_through_products_endpoint": ("GET", "/products/3", None),
    "variations_all_products": ("GET", "/variations?per_page=100", None),
    "variations_modified_after": ("GET", "/products/2/variations?modified_after=2026-01-01T09:05:55", None),
}
"""The recorded requests with this shop's ids."""

EQUAL = ("allow", "content-type")
NEVER_TOLD = {"message", "resource_id", "unique_sku"}
"""Parts of refusals with ids or texts of the recorded shop."""


def bare(refusal: Any) -> Any:
    """Return a refusal without ids and texts; the words that a parameter may be are a set, WordPress repeats some."""
    if isinstance(refusal, dict):
        return {name: None if name in NEVER_TOLD else bare(value) for name, value in refusal.items()}
    if isinstance(refusal, str) and " is not one of " in refusal:
        return set(refusal.replace(".", "").replace(",", "").split(" "))
    return refusal


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_request_is_answered_as_recorded(running: Any, recordings: Any, name: str) -> None:
    method, path, body = REQUESTS[name]
    known = recordings("answers")[name]
    async with running() as shop:
        answer = await shop.ask(method, path, body)
    assert answer.status_code == known["status"]
    assert {header: answer.headers.get(header) for header in EQUAL} == {
        header: known["headers"].get(header) for header in EQUAL
    }
    totals = {header for header in known["headers"] if header.startswith("x-wp-")}
    assert {header for header in answer.headers if header.startswith("x-wp-")} == totals
    if "body" in known:
        assert bare(answer.json()) == bare(known["body"])
        assert answer.json()["message"].split(" with ")[0] == known["body"]["message"].split(" with ")[0]
    elif known.get("keys"):
        assert sorted(answer.json()) == known["keys"]
    elif method != "HEAD":
        assert isinstance(answer.json(), list)


UNAUTHENTICATED: Mapping[str, tuple[str, str | None, str]] = {
    "err_401_bad_key": ("GET", "ck_other:cs_sandbox", ""),
    "err_401_bad_secret": ("GET", "ck_sandbox:cs_other", ""),
    "err_401_no_auth": ("GET", None, ""),
    "err_401_read_only_key_writes": ("POST", "read", ""),
    "err_401_write_only_key_reads": ("GET", "write", ""),
    "err_401_basic_over_plain_http": ("GET", "ck_sandbox:cs_sandbox", "plain"),
    "ok_plain_http_with_x_forwarded_proto": ("GET", "ck_sandbox:cs_sandbox", "forwarded"),
    "ok_key_in_query_over_https": ("GET", None, "?consumer_key=ck_sandbox&consumer_secret=cs_sandbox"),
}
"""Method, key or the permission of another one, and how the request comes."""


@pytest.mark.parametrize("name", UNAUTHENTICATED)
async def test_a_key_is_judged_as_recorded(running: Any, recordings: Any, name: str) -> None:
    method, given, way = UNAUTHENTICATED[name]
    known = recordings("answers")[name]
    async with running() as shop:
        shop.woocommerce.keys.https = way not in {"plain", "forwarded"}
        if given in {"read", "write"}:
            key = shop.woocommerce.keys.add(given)
            given = f"{key.consumer_key}:{key.consumer_secret}"
        shop.client.auth = httpx.BasicAuth(*given.split(":")) if given else None
        headers = {"x-forwarded-proto": "https"} if way == "forwarded" else {}
        query = way if way.startswith("?") else ""
        answer = await shop.ask(
            method, f"/products{query}", {"name": "x"} if method == "POST" else None, headers=headers
        )
    assert answer.status_code == known["status"]
    if "body" in known:
        assert answer.json() == known["body"]
        assert ("allow" in answer.headers, answer.headers["vary"]) == (False, "Origin")


async def test_oauth_is_refused_as_recorded(running: Any, recordings: Any) -> None:
    known = recordings("answers")
    async with running() as shop:
        shop.client.auth = None
        shop.shop.clock = lambda: 1_795_424_755

        async def signed(timestamp: int, nonce: str) -> httpx.Response:
            oauth = (
                f"oauth_consumer_key=ck_sandbox&oauth_timestamp={timestamp}&oauth_nonce={nonce}&oauth_signature=AAAA"
            )
            answer: httpx.Response = await shop.ask("GET", f"/products?{oauth}&oauth_signature_method=HMAC-SHA256")
            return answer

        answers = {
            "err_401_oauth_bad_signature": await signed(1_795_424_755, "a"),
            "err_401_oauth_nonce_reused": await signed(1_795_424_755, "a"),
            "err_401_oauth_old_timestamp": await signed(1_795_423_755, "b"),
        }
    for name, answer in answers.items():
        assert (answer.status_code, answer.json()) == (known[name]["status"], known[name]["body"])


NOT_SERVED = (
    *("attributes", "categories", "tags", "coupons", "order_notes", "payment_gateways", "shipping_zones", "taxes"),
    *("reports_orders_totals", "reports_products_totals", "after_hang", "ok_oauth1_over_plain_http"),
)
"""Recorded requests that nothing here needs: the shop has no such route, or no such sort of key."""
ALIKE = {
    *("customer_without_address_1", "order_guest", "order_completed_with_tracking", "product_without_sku"),
    *("products_fields", "products_last_page", "products_page1_of_100", "variation_manage_stock_parent"),
}
"""Recorded requests whose answer is of a sort that is compared with the shop's under another name, or in `shapes`."""
ELSEWHERE = {"err_400_invalid_json", "batch_mixed", "_header_names"}


def test_no_recorded_answer_is_left_out(recordings: Any) -> None:
    tried = {*REQUESTS, *UNAUTHENTICATED, *PAGES, *ALIKE, *ELSEWHERE, *NOT_SERVED}
    tried |= {name for name in recordings("answers") if name.startswith("err_401_oauth")}
    assert recordings("answers").keys() == tried


async def test_an_answer_has_the_recorded_headers(running: Any, recordings: Any) -> None:
    of_the_connection = {"date", "transfer-encoding", "connection", "content-length"}
    async with running() as shop:
        answer = await shop.ask("GET", "/products/1")
    assert {*answer.headers} - of_the_connection == {*recordings("answers")["_header_names"]} - of_the_connection


async def test_a_key_whose_user_lost_the_role_may_see_nothing(running: Any) -> None:
    async with running() as shop:
        shop.woocommerce.keys.role_lost = True
        answers = [await shop.ask("GET", path) for path in ("/products", "/orders/5", "/webhooks", "/customers")]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {
        (403, "woocommerce_rest_cannot_view")
    }


async def test_a_server_that_strips_the_header_has_seen_no_key(running: Any) -> None:
    async with running() as shop:
        shop.woocommerce.keys.header_stripped = True
        answer = await shop.ask("GET", "/products")
        in_query = await shop.ask("GET", "/products?consumer_key=ck_sandbox&consumer_secret=cs_sandbox")
    assert (answer.status_code, answer.json()["code"]) == (401, "woocommerce_rest_cannot_view")
    assert in_query.status_code == 200


async def test_a_body_that_is_no_json_is_refused_as_recorded(running: Any, recordings: Any) -> None:
    known = recordings("answers")["err_400_invalid_json"]
    async with running() as shop:
        answer = await shop.ask("POST", "/products", content=known["request"]["body"])
    assert (answer.status_code, answer.json()) == (known["status"], known["body"])


async def test_a_batch_answers_200_with_refusals_inside(running: Any, recordings: Any) -> None:
    known = recordings("answers")["batch_mixed"]["body"]
    body = {
        "update": [{"id": 1, "menu_order": 3}, {"id": 99999999, "name": "zz"}],
        "create": [{"name": "dup", "sku": "MUG"}],
        "delete": [99999998],
    }
    async with running() as shop:
        answer = await shop.ask("POST", "/products/batch", body)
    assert answer.status_code == 200
    for name, items in known.items():
        for item, wanted in zip(answer.json()[name], items, strict=True):
            if "keys" in wanted:
                assert sorted(item) == wanted["keys"]
            else:
                assert bare(item["error"]) == bare(wanted["error"])


PAGES = {
    "err_503_maintenance": (failures.maintenance(), "*/*"),
    "err_503_maintenance_accept_json": (failures.maintenance(), "application/json"),
    "err_500_php_fatal": (failures.fatal(), "*/*"),
    "err_500_php_fatal_accept_json": (failures.fatal(), "application/json"),
    "err_500_php_fatal_in_handler": (failures.fatal(in_handler=True), "application/json"),
    "err_500_database_down": (failures.database_down(), "application/json"),
    "err_502_php_down": (failures.php_down(), "application/json"),
}


@pytest.mark.parametrize("name", PAGES)
async def test_a_site_that_is_down_answers_as_recorded(running: Any, recordings: Any, name: str) -> None:
    act, accept = PAGES[name]
    known = recordings("answers")[name]
    async with running() as shop:
        shop.woocommerce.faults.add("*", act)
        answer = await shop.ask("GET", "/products", headers={"accept": accept})
    assert answer.status_code == known["status"]
    assert answer.headers.get("retry-after") == known["headers"].get("retry-after")
    kinds = [headers["content-type"].partition(";")[0] for headers in (answer.headers, known["headers"])]
    assert kinds[0] == kinds[1]
    if "body" in known:
        assert {name: type(value) for name, value in answer.json().items()} == {
            name: type(value) for name, value in known["body"].items()
        }
        assert answer.json()["code"] == known["body"]["code"]
    else:
        title = known["text"].partition("<title>")[2].partition("<")[0]
        assert title in answer.text


async def test_other_ways_to_answer_without_json(running: Any) -> None:
    acts = {
        "challenge": (403, "Just a moment"),
        "login": (200, "wp-login"),
        "php_warning": (200, "<b>Warning</b>"),
        "moved": (301, ""),
    }
    seen = {}
    async with running() as shop:
        for name in acts:
            given = {"arguments": {"address": "https://other.example/"}} if name == "moved" else {}
            order = {"pattern": "GET /wp-json*", "fault": name, "times": 1, **given}
            assert (await shop.client.post("/_sandbox/faults", json=order)).status_code == 204
            answer = await shop.ask("GET", "/products")
            with pytest.raises(json.JSONDecodeError):
                answer.json()
            seen[name] = (answer.status_code, acts[name][1] if acts[name][1] in answer.text else answer.text)
    assert seen == acts


async def test_gateways_refuse_long_requests(running: Any) -> None:
    ids = ",".join(str(number) for number in range(1, 301))
    async with running() as shop:
        for _ in range(300):
            shop.shop.add_product("Many")
        long = await shop.ask("GET", f"/products?per_page=100&include={ids}")
        whole = await shop.ask("GET", f"/products?per_page=100&include={','.join(ids.split(',')[:100])}")
        longer = await shop.ask("GET", f"/products?include={'1' * 9000}")
    assert (long.status_code, whole.status_code, longer.status_code) == (502, 200, 414)
    assert len(whole.json()) == 97  # 1 to 100 without two variations and an order
    assert "page=" not in whole.headers["link"]


async def test_without_permalinks_there_is_no_api(running: Any) -> None:
    async with running() as shop:
        shop.woocommerce.permalinks = False
        answer = await shop.ask("GET", "/products")
        other = await shop.client.get("/?rest_route=/wc/v3/products")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=UTF-8")
    assert other.status_code == 401
