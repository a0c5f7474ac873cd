"""Every answer of the SparkLayer stand-in fits the contract, and it takes every field that the contract knows."""

from typing import Any

from daemon.sandbox.sparklayer import SparkLayerOptions
from daemon.sandbox.sparklayer.contract import contract
from tests.contract import CONTRACT

DOCUMENTS = contract()

PRODUCT = {
    "title": "Jumper",
    "slug": "jumper",
    "external_id": "1",
    "variants": [
        {
            "external_id": "11",
            "sku": "J-S",
            "status": "live",
            "position": 1,
            "weight_in_grams": 40.5,
            "cart_image_url": "https://cdn.example/1.jpg",
            "options": [{"group": "Size", "value": "S"}],
            "rrp": [{"currency_code": "USD", "price": 9.5}],
            "settings": [{"customer_group": "base", "pack_size": None, "sell": True}],
        }
    ],
}
LIST = {"slug": "trade", "name": "Trade", "currency_code": "USD", "source": "platform"}
LEVEL = {"sku": "J-S", "stock_level": 4, "stock_location_external_id": "main", "restock_date": "2027-01-01"}
PRICE = {"sku": "J-S", "pricing": [{"quantity": 1, "price": 9.5, "unit_of_measure": None}]}
LOG = "/api/v1/sync-log/{integration}/{data_type}"
FULL = {"started_full_sync": "2026-01-01T00:00:00Z", "errors": [{"external_id": "1", "visible_id": "J-S"}]}

ADDRESS = {"external_id": "7", "address_line1": "1 High Street", "city": "Bath", "country_code": "GB"}
CUSTOMER = {
    "external_id": "1",
    "email": "buyer@example.com",
    "group": "base",
    "price_lists": ["trade"],
    "payment_on_account": {"credit_limit": 100, "balance": 5.5, "currency_code": "GBP"},
    "addresses": [ADDRESS],
}
CART = {"lookupBy": "sparklayer", "identifier": "4217ba4f-7618-4e3b-b1af-9055639b18d1"}
OTHER_CART = "11111111-7618-4e3b-b1af-9055639b18d1"
ORDER = {"lookupBy": "platform", "identifier": "1001"}
MONEY = {"number": "15.99", "currency": "GBP"}
LINE = {"identifiers": {}, "name_parent": "T-Shirt", "quantity": 4, "line_total": {"total_gross": MONEY}}
PURCHASE = {
    "type": "order",
    "purchase_identifiers": {"platform": "1001", "visible": "#1001"},
    "customer_identifiers": {"sparklayer": "cu_1"},
    "dates": {"placed_at": "2026-01-30T08:30:00Z"},
    "currency_code": "GBP",
    "packages": [{"identifiers": {}, "type": "incoming", "line_items": [LINE], "shipments": [{"carrier": "DPD"}]}],
    "accounting_files": [],
    "custom_fields": [],
    "metadata": [],
}

ONE_CUSTOMER = "/api/v2/customers/{lookupBy}/{identifier}"
BUYER = {"lookupBy": "platform", "identifier": "1"}
OTHER_BUYER = {"lookupBy": "platform", "identifier": "2"}

CALLS: list[tuple[str, str, dict[str, str], Any]] = [
    ("POST", "/api/v1/products", {}, PRODUCT),
    ("POST", "/api/v1/products", {}, PRODUCT),
    ("POST", "/api/v1/products", {}, {"title": 1}),
    ("GET", "/api/v1/products/{id}", {"id": "1"}, None),
    ("GET", "/api/v1/products/{id}", {"id": "2"}, None),
    ("PATCH", "/api/v1/products/{id}", {"id": "1"}, {"title": "Pullover"}),
    ("GET", "/api/v1/variants/{id}", {"id": "11"}, None),
    ("PATCH", "/api/v1/variants/{id}", {"id": "11"}, {"status": "discontinued"}),
    ("POST", "/api/v1/batch-update-stock", {}, [LEVEL]),
    ("POST", "/api/v1/batch-update-stock", {}, [LEVEL, LEVEL]),
    ("POST", "/api/v1/batch-fetch-stock", {}, {"skus": ["J-S"], "filter": {"all_stock_locations": True}}),
    ("POST", "/api/v1/batch-delete-stock", {}, {"skus": ["J-S"]}),
    ("GET", "/api/v1/stock-locations", {}, None),
    ("POST", "/api/v1/stock-locations", {}, {"name": "Attic", "external_id": "loft"}),
    ("POST", "/api/v1/stock-locations", {}, {"name": "Attic", "external_id": "loft"}),
    ("PATCH", "/api/v1/stock-locations/{id}", {"id": "sl_2"}, {"external_id": "attic"}),
    ("GET", "/api/v1/stock-locations/{id}", {"id": "attic"}, None),
    ("GET", "/api/v1/stock-locations/{id}", {"id": "none"}, None),
    ("DELETE", "/api/v1/stock-locations/{id}", {"id": "attic"}, None),
    ("POST", "/api/v1/price-lists", {}, LIST),
    ("GET", "/api/v1/price-lists", {}, None),
    ("GET", "/api/v2/price-lists", {}, None),
    ("GET", "/api/v1/price-lists/{slug}", {"slug": "trade"}, None),
    ("GET", "/api/v1/price-lists/{slug}", {"slug": "none"}, None),
    ("PATCH", "/api/v1/price-lists/{slug}", {"slug": "trade"}, {"name": "Trade customers"}),
    ("POST", "/api/v1/price-lists", {}, LIST),
    ("POST", "/api/v1/price-lists", {}, LIST | {"slug": "spare"}),
    ("DELETE", "/api/v1/price-lists/{slug}", {"slug": "spare"}, None),
    ("DELETE", "/api/v1/price-lists/{slug}", {"slug": "spare"}, None),
    ("PATCH", "/api/v1/price-lists/{slug}/pricing", {"slug": "trade"}, [PRICE]),
    ("PATCH", "/api/v1/price-lists/{slug}/pricing", {"slug": "trade"}, [PRICE, PRICE]),
    ("PATCH", "/api/v1/batch-update-pricing", {}, [PRICE | {"price_list_slug": "trade"}]),
    ("GET", "/api/v1/price-lists/{slug}/pricing", {"slug": "trade"}, None),
    ("GET", "/api/v1/pricing/{sku}", {"sku": "J-S"}, None),
    ("DELETE", "/api/v1/price-lists/{slug}/pricing", {"slug": "trade"}, None),
    ("GET", ONE_CUSTOMER, BUYER, None),
    ("PUT", ONE_CUSTOMER, BUYER, CUSTOMER),
    ("PUT", ONE_CUSTOMER, BUYER, CUSTOMER | {"default_billing_address_id": "7", "discount_percentage": 5}),
    ("PUT", ONE_CUSTOMER, BUYER, CUSTOMER | {"external_id": "2"}),
    ("PUT", ONE_CUSTOMER, BUYER, CUSTOMER | {"parent_customer_id": "4"}),
    ("PUT", ONE_CUSTOMER, OTHER_BUYER, CUSTOMER | {"external_id": "2"}),
    ("PUT", ONE_CUSTOMER, {"lookupBy": "email", "identifier": "buyer@example.com"}, CUSTOMER),
    ("GET", ONE_CUSTOMER, BUYER, None),
    ("DELETE", ONE_CUSTOMER, BUYER, None),
    ("DELETE", ONE_CUSTOMER, BUYER, None),
    ("GET", "/api/v1/purchases/{lookupBy}/{identifier}", CART, None),
    ("PUT", "/api/v1/purchases/{lookupBy}/{identifier}", CART, PURCHASE),
    ("PUT", "/api/v1/purchases/{lookupBy}/{identifier}", CART, {"type": "order"}),
    ("PUT", "/api/v1/purchases/{lookupBy}/{identifier}", ORDER, PURCHASE),
    ("PUT", "/api/v1/purchases/{lookupBy}/{identifier}", CART | {"identifier": OTHER_CART}, PURCHASE),
    ("GET", "/api/v1/purchases/{lookupBy}/{identifier}", CART, None),
    ("GET", "/api/v1/purchases/{lookupBy}/{identifier}", CART | {"identifier": "1001"}, None),
    ("GET", "/api/v1/purchases", {}, None),
    ("DELETE", "/api/v1/purchases/{lookupBy}/{identifier}", CART, None),
    ("DELETE", "/api/v1/purchases/{lookupBy}/{identifier}", CART, None),
    ("GET", "/api/v1/store-currency", {}, None),
    ("PUT", "/api/v1/store-currency", {}, {"currency_code": "USD"}),
    ("PUT", "/api/v1/store-currency", {}, {"currency_code": "GBP"}),
    ("PATCH", "/api/v1/settings", {}, [{"key": "baseCurrency", "value": "USD"}]),
    ("GET", LOG, {"integration": "bigcommerce", "data_type": "products"}, None),
    ("PUT", LOG, {"integration": "bigcommerce", "data_type": "products"}, FULL),
    ("PATCH", LOG, {"integration": "bigcommerce", "data_type": "products"}, {"synced_external_ids": ["2"]}),
    ("GET", LOG, {"integration": "bigcommerce", "data_type": "products"}, None),
    ("GET", f"{LOG}/errors", {"integration": "bigcommerce", "data_type": "products"}, None),
    ("DELETE", "/api/v1/sync-log", {}, None),
]


async def test_every_answer_fits_the_contract(harness: Any) -> None:
    """An answer that does not fit fails the stand-in, and so the test."""
    async with harness(sparklayer=SparkLayerOptions(contract=CONTRACT)) as running:
        for method, template, names, body in CALLS:
            await running.site(method, template.format(**names), body)


async def test_every_operation_is_tried() -> None:
    described = {(verb.upper(), path) for path, verbs in DOCUMENTS["paths"].items() for verb in verbs}
    tried = {(method, template) for method, template, _, _ in CALLS} | {("POST", "/api/auth/token")}
    parameters = {("PARAMETERS", path) for path in DOCUMENTS["paths"]}
    assert described - parameters - tried == {("PATCH", "/api/v1/pricing/{sku}")}, "not modelled: nobody needs it"
