"""Every recorded answer of a real shop is read, and this states by hand what the daemon makes of it."""

from collections.abc import Mapping
from typing import Any

import pytest
from trio.testing import MockClock

from daemon.errors import Blocked, Failure, Forbidden, Missing, Rejected, Retry
from daemon.model import ExternalId, Kind, Lane
from daemon.platforms.woocommerce.refusal import refusal
from daemon.transport.http import Answer
from tests.each import each
from tests.platforms.woocommerce.recorded import REST, SEMANTICS, RecordedShop, content_of, response, settings
from tests.platforms.woocommerce.summary import told

CART = "5ec8af4d-93c6-5982-b472-1f7016db6274"

HAMMER = "LAB-1795424040 live 3 @26.00"
NO_SKU = "no variants; variant_without_sku; nothing_to_sell"
NO_SKU_TWICE = "no variants; variant_without_sku; variant_without_sku; nothing_to_sell"
SCOOP = (
    "GAR-1043-2 Antique Brass Medium live 32 @115.33, GAR-1043-3 Antique Brass Small live -3 @116.83, "
    "GAR-1043-5 Matt Black Medium live 13 @119.83, GAR-1043-6 Matt Black Small live 30 @121.33, "
    "GAR-1043-7 Polished Brass Large live 40 @122.83, GAR-1043-8 Polished Brass Medium live 3 @124.33, "
    "GAR-1043-10 Satin Nickel Large live -4 @127.33, GAR-1043-11 Satin Nickel Medium live 31 @128.83, "
    "GAR-1043-12 Satin Nickel Small live -1 @130.33; variant_without_sku"
)
"""Variation 119 shows its product's SKU, so it has none."""
NO_PRODUCT = "Retry unexpected_shape"
WITHOUT_STREET = "cust0@shopper.example no address; address_line_1_empty; address_line_1_empty"
INCOMPLETE = "Retry page_miscounted"
"""Not all of its variations or refunds were recorded."""

PRODUCTS: Mapping[str, Mapping[str, str]] = {
    "after_hang": {"794": NO_SKU},
    "ok_key_in_query_over_https": {"794": NO_SKU},
    "ok_oauth1_over_plain_http": {"782": HAMMER},
    "ok_plain_http_with_x_forwarded_proto": {"794": NO_SKU},
    "product_simple_single": {"782": HAMMER},
    "product_variable_single": {"118": SCOOP},
    "product_without_sku": {"614": NO_SKU},
    "products_by_sku": {"782": HAMMER},
    "products_by_variation_sku": {},
    "products_default": {"794": NO_SKU, "782": HAMMER, "34": "nothing"},
    "products_fields": dict.fromkeys(("794", "782", "34"), NO_PRODUCT),
    "products_include": {"782": HAMMER, "614": NO_SKU},
    "products_last_page": {"607": NO_SKU_TWICE, "794": NO_SKU},
    "products_modified_after": {"118": SCOOP, "782": "LAB-1795424040 live 3 @12.34"},
    "products_page1_of_100": {
        "11": INCOMPLETE,
        "13": "woo-hoodie-with-logo live untracked @45",
        "33": "nothing",
        "34": "nothing",
        "58": "PAI-1000 live 210 @150.01",
        "70": "WOR-1005 suspended untracked @144",
        "113": "WOR-1038 suspended 186 @78.97",
        "114": "WOR-1039 suspended 75 @33.62",
        "118": SCOOP,
        "173": INCOMPLETE,
        "177": "KIT-1070 suspended 171 @73.62",
    },
    "products_past_the_end": {},
    "products_status_any": {"794": NO_SKU},
    "products_trash": {"784": "nothing", "85": "nothing", "79": "nothing"},
    "products_variable": {"11": INCOMPLETE, "118": SCOOP, "607": NO_SKU_TWICE, "794": NO_SKU},
    # Variations are no products: a list of them has none, and a single one leads to its product.
    "product_variations": dict.fromkeys(map(str, range(119, 129)), NO_PRODUCT),
    "variations_all_products": dict.fromkeys(("795", "609", "608"), NO_PRODUCT),
    "variations_modified_after": {"119": NO_PRODUCT},
    "variation_inherits_parent_sku": {"118": "nothing"},
    "variation_manage_stock_parent": {"802": "nothing"},
    "variation_through_products_endpoint": {"118": "nothing"},
}

CUSTOMERS: Mapping[str, Mapping[str, str]] = {
    "customer_single": {"2": WITHOUT_STREET},
    "customer_without_address_1": {"2": WITHOUT_STREET},
    "customers_default": {
        "2": WITHOUT_STREET,
        "3": "cust1@shopper.example billing+shipping",
        "4": "cust2@shopper.example billing+shipping",
    },
    "customers_modified_after_is_ignored": {
        "2": WITHOUT_STREET,
        "3": "cust1@shopper.example billing+shipping",
        "4": "cust2@shopper.example billing+shipping",
    },
    "customers_role_all": {
        "1": "nothing",
        "38": "nothing",
        "2": WITHOUT_STREET,
        "3": "cust1@shopper.example billing+shipping",
    },
}
"""With `customer` as the B2B role: the shop had no role of SparkLayer's. 1 is an administrator, 38 a subscriber."""

ORDERS: Mapping[str, Mapping[str, str]] = {
    "order_completed_with_tracking": {
        "752": "complete 4xGAR-1049-3 789.32+0/5xKIT-1083 1130.3+0 + returned 1xGAR-1049-3 197.33+0 GBP"
    },
    "order_guest": {"797": "processing 1xNone 35+7 GBP; line_without_product"},
    "order_single_with_refund": {"699": "returned 2xDOO-1053 484.46+0/2xWOR-1026 81.02+0/3xPAI-1037 373.47+0 GBP"},
    "orders_modified_after": {},
    "orders_page": {
        "622": "incoming 2xHAN-1071 138.12+27.62/3xHAN-1071 207.18+41.44/5xPAI-1094 64.55+12.91 GBP",
        "628": INCOMPLETE,
        "630": "cancelled 3xHAN-1056 580.8+0/1xKIT-1023 91.68+0 EUR",
    },
    "orders_page2": {
        "737": "incoming 2xHAN-1001-3 471.18+0 GBP",
        "741": "complete 3xHAN-1050 289.14+0/1xHAN-1001-4 237.09+0/4xNone 671.44+0 EUR; line_without_product",
        "743": "complete 1xNone 12.14+2.43/3xHAN-1001-3 706.77+141.35/5xWOR-1020 1210.9+242.18 EUR; "
        "line_without_product",
        "744": "cancelled 5xGAR-1116 181.55+36.31 GBP",
        "745": INCOMPLETE,
    },
    "orders_status_filter": {
        "797": "processing 1xNone 35+7 GBP; line_without_product",
        "727": "processing 3xGAR-1043-3 350.49+0/1xPAI-1021-2 26.7+0/3xWOR-1079 114.03+0 EUR",
    },
}
"""With a cart id of SparkLayer's added: no recorded order was placed through it."""

KEY_UNKNOWN = (Blocked, "credentials", "does not know the consumer key, or its web server does not pass the Authoriz")

FAILURES: Mapping[str, tuple[type[Failure], str, str]] = {
    "err_400_bad_orderby": (Rejected, "http_400", "orderby"),
    "err_400_customer_email_exists": (Rejected, "http_400", "already registered"),
    "err_400_duplicate_sku": (Rejected, "http_400", "duplicated SKU"),
    "err_400_invalid_json": (Rejected, "http_400", "Invalid JSON"),
    "err_400_modified_after_not_a_date": (Rejected, "http_400", "modified_after"),
    "err_400_per_page_101": (Rejected, "http_400", "per_page"),
    "err_400_wrong_type": (Rejected, "http_400", "stock_quantity"),
    "err_401_bad_key": KEY_UNKNOWN,
    "err_401_no_auth": KEY_UNKNOWN,
    "err_401_basic_over_plain_http": KEY_UNKNOWN,
    "err_401_bad_secret": (Blocked, "credentials", "the consumer secret is wrong"),
    "err_401_oauth_bad_signature": (Blocked, "credentials", "Invalid signature"),
    "err_401_oauth_nonce_reused": (Blocked, "credentials", "Invalid nonce"),
    "err_401_oauth_old_timestamp": (Blocked, "credentials", "Invalid timestamp"),
    "err_401_read_only_key_writes": (Blocked, "scope_missing", "the key may not write"),
    "err_401_write_only_key_reads": (Blocked, "credentials", "the key may not read; set"),
    "err_404_customer": (Missing, "http_404", "Invalid user ID"),
    "err_404_order": (Missing, "http_404", "Invalid ID"),
    "err_404_product": (Missing, "http_404", "Invalid ID"),
    "err_404_variation_of_other_parent": (Missing, "http_404", "404"),
    "err_404_route": (Blocked, "api_missing", "activate WooCommerce"),
    "err_405_or_404_method": (Blocked, "api_missing", "activate WooCommerce"),
    "err_413_batch_101": (Rejected, "http_413", "more than 100"),
    "err_500_database_down": (Retry, "database_down", "database does not answer"),
    "err_500_php_fatal": (Retry, "php_error", "plugin or theme"),
    "err_500_php_fatal_in_handler": (Retry, "php_error", "plugin or theme"),
    "err_500_php_fatal_accept_json": (Retry, "php_error", "critical error"),
    "err_502_php_down": (Retry, "http_502", '"502 Bad Gateway"'),
    "err_503_maintenance": (Retry, "maintenance", "in maintenance"),
    "err_503_maintenance_accept_json": (Retry, "maintenance", "scheduled maintenance"),
    "err_customer_bad_email": (Rejected, "http_400", "Invalid email"),
    "err_delete_order_without_force_customer": (Retry, "http_501", "trashing"),
    "page_0": (Rejected, "http_400", "page"),
}

UNASKED = {
    *("attributes", "batch_mixed", "categories", "coupons", "data_currency_current", "index", "order_notes"),
    *("order_refunds", "payment_gateways", "products_head", "refunds_all", "reports_orders_totals"),
    *("reports_products_totals", "settings_currency", "settings_general", "settings_groups", "shipping_zones"),
    *("tags", "taxes"),
}
"""Answers to questions that the daemon does not ask of entities: none of their rows is taken for one."""


def ours(content: Any) -> Any:
    """Return recorded orders with a cart id."""
    if isinstance(content, list):
        return [ours(row) for row in content]
    return {**content, "meta_data": [*content["meta_data"], {"key": "sparklayer_cart_id", "value": CART}]}


async def read(kind: Kind, name: str, content: Any) -> dict[str, str]:
    """Return what the daemon makes of the entities in an answer, each read by its id."""
    shop = RecordedShop(response(name, content), b2b_roles=("customer",))
    if isinstance(content, list):
        ids = [ExternalId(str(row["id"])) for row in content]
        entities = list((await shop.adapter.read(kind, ids, Lane.LIVE)).values())
    else:
        entity = await shop.adapter.read_one(kind, ExternalId(str(content["id"])), Lane.LIVE)
        entities = [entity] if entity else []
    return {entity.external_id: told(shop.adapter, kind, entity) for entity in entities}


@each("name", [*PRODUCTS])
async def test_recorded_products(name: str) -> None:
    assert await read(Kind.PRODUCTS, name, content_of(name)) == PRODUCTS[name]


@each("name", [*CUSTOMERS])
async def test_recorded_customers(name: str) -> None:
    assert await read(Kind.CUSTOMERS, name, content_of(name)) == CUSTOMERS[name]


@each("name", [*ORDERS])
async def test_recorded_orders(name: str) -> None:
    content = content_of(name)
    assert await read(Kind.ORDERS, name, ours(content)) == ORDERS[name]
    assert set((await read(Kind.ORDERS, name, content)).values()) <= {"nothing"}, "as recorded, none is SparkLayer's"


@each("name", [*FAILURES])
def test_recorded_refusals(name: str) -> None:
    recorded = response(name)
    headers = {key.lower(): value for key, value in recorded.headers.items()}
    failure = refusal(Answer(recorded.status_code, headers, recorded.content), settings().secrets)
    kind, reason, words = FAILURES[name]
    assert (type(failure), failure.reason) == (kind, reason)
    assert words in str(failure)


async def test_a_right_that_is_missing_for_one_call_is_not_yet_that_of_the_kind(autojump_clock: MockClock) -> None:
    shop = RecordedShop(response("err_401_read_only_key_writes"))
    with pytest.raises(Forbidden):
        await shop.adapter.read_one(Kind.PRODUCTS, ExternalId("782"), Lane.LIVE)


@each("name", sorted(UNASKED))
async def test_rows_of_other_lists_are_no_entities(name: str, autojump_clock: MockClock) -> None:
    content = content_of(name)
    for kind in (Kind.PRODUCTS, Kind.CUSTOMERS, Kind.ORDERS):
        shop = RecordedShop(response(name), b2b_roles=("customer",))
        try:
            ids = [ExternalId(str(row.get("id", 1))) for row in content] if isinstance(content, list) else []
            found = await shop.adapter.read(kind, ids or [ExternalId("1")], Lane.LIVE)
        except Retry:
            continue
        made = {told(shop.adapter, kind, entity) for entity in found.values()}
        assert made <= {"Retry unexpected_shape", "nothing"}, kind


async def test_the_settings_that_were_recorded_are_the_facts() -> None:
    assert content_of("data_currency_current")["code"] == "GBP" == content_of("settings_currency")["value"]


def test_every_recorded_answer_is_in_a_table() -> None:
    tables = [*PRODUCTS, *CUSTOMERS, *ORDERS, *FAILURES, *UNASKED]
    assert sorted(tables) == sorted(REST)


def test_the_filter_of_changes_is_the_one_that_was_right_in_every_zone() -> None:
    measured = [(form, told["right"]) for _, form, told in SEMANTICS["modified_after_timezones"]]
    assert {right for form, right in measured if form == "GMT, dates_are_gmt=true"} == {True}
    assert {right for form, right in measured if form == "GMT+Z, dates_are_gmt=true"} == {False}
    semantics = dict(SEMANTICS["semantics"])
    assert semantics["modified_after equal to date_modified_gmt returns the product (inclusive)"] is False
    assert semantics["orderby=id asc, a product of page 1 trashed before page 2 is read: skipped ids"] == [206]
