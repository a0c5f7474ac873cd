"""The gap benchmark counts each accepted write by what it names, and knows which ones its edits need."""

import msgspec
import pytest

from benchmarks.gaps import CUSTOMERS, EDITS, PRODUCTS, Journal, edit, written
from daemon.sandbox.bigcommerce import synthetic
from daemon.sandbox.message import Request, Response

SKUS = [{"sku": "A"}, {"sku": "B"}]


@pytest.mark.parametrize(
    ("method", "path", "content", "names"),
    [
        ("PATCH", "/api/v1/products/7", {}, ["product 7"]),
        ("POST", "/api/v1/products", {}, ["POST /api/v1/products"]),
        ("PUT", "/api/v2/customers/external_id_platform/7", {}, ["customer 7"]),
        ("DELETE", "/api/v2/customers/external_id_platform/7", None, ["customer 7"]),
        ("POST", "/api/v1/batch-update-stock", SKUS, ["stock A", "stock B"]),
        ("POST", "/api/v1/batch-delete-stock", {"skus": ["A", "B"]}, ["stock A", "stock B"]),
        ("PATCH", "/api/v1/price-lists/list/pricing", SKUS, ["price A", "price B"]),
        ("PATCH", "/api/v1/price-lists/list", {}, ["PATCH /api/v1/price-lists/list"]),
        ("PATCH", "/api/v1/settings", {}, ["PATCH /api/v1/settings"]),
        ("PUT", "/api/v1/store-currency", {}, ["PUT /api/v1/store-currency"]),
        ("POST", "/api/v1/stock-locations", {}, ["POST /api/v1/stock-locations"]),
        ("PUT", "/api/v1/purchases/cart_id/7", {}, ["PUT /api/v1/purchases/cart_id/7"]),
        ("PUT", "/api/v1/sync-log/products", {}, []),
        ("POST", "/api/auth/token", {}, []),
        ("POST", "/api/v1/batch-fetch-stock", {"skus": ["A"]}, []),
        ("GET", "/api/v1/products/7", None, []),
    ],
)
def test_a_write_is_counted_by_what_it_names(method: str, path: str, content: object, names: list[str]) -> None:
    assert written(method, path, b"" if content is None else msgspec.json.encode(content)) == names


@pytest.mark.parametrize(("status", "counted"), [(200, 1), (204, 1), (429, 0), (503, 0)])
async def test_a_refused_write_is_none(status: int, counted: int) -> None:
    journal = Journal()
    request = Request(method="PATCH", path="/api/v1/products/7", query="", headers={}, body=b"{}")
    await journal.note(request, Response(status=status))
    assert journal.writes.total() == counted


def test_the_edits_need_one_write_for_each_thing_that_they_change() -> None:
    store = synthetic(PRODUCTS, customers=CUSTOMERS)
    lost = [variant.sku for number in range(11, 21) for variant in store.entries[number].variants]
    needed = edit(store, first=1)
    assert set(needed.values()) == {1}
    assert {f"product {number}" for number in range(11, 21)} <= needed.keys()
    assert {f"customer {number}" for number in range(1, 21)} <= needed.keys()
    assert {f"{part} {sku}" for part in ("stock", "price") for sku in lost} <= needed.keys()
    assert needed.total() == EDITS + 2 * EDITS + EDITS + 2 * len(lost)
