"""Objects of the shop have the keys and types of the recorded ones, in answers and in webhooks."""

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import pytest

from daemon.sandbox.woocommerce import adventureworks

NAMES = {dict: "object", list: "array", str: "string", int: "number", float: "number", bool: "boolean"}
PATHS = {
    "product": "/products?per_page=100",
    "variation": "/variations?per_page=100",
    "order": "/orders?per_page=100&status=any",
    "refund_of_all": "/refunds?per_page=100",
    "customer": "/customers?per_page=100&role=all",
    "webhook": "/webhooks",
    "setting_of_group": "/settings/general",
    "settings_group": "/settings",
}
SINGLE = {
    "currency": "/data/currencies/current",
    "setting": "/settings/general/woocommerce_currency",
}


def differences(kind: str, wanted: dict[str, str], objects: Iterable[Any]) -> list[str]:
    """Return how the objects differ from the recorded shape of their kind."""
    types: dict[str, set[str]] = defaultdict(set)
    lacking: set[str] = set()

    def walk(value: Any, path: str) -> None:
        types[path].add(NAMES.get(type(value), "null"))
        if path.endswith("meta_data[].value") or path == "options":
            return
        if isinstance(value, list):
            for item in value:
                walk(item, f"{path}[]")
        if isinstance(value, dict):
            head = f"{path}." if path else ""
            for name, item in value.items():
                walk(item, f"{head}{name}")
            inner = {name[len(head) :] for name, known in wanted.items() if name.startswith(head) and "?" not in known}
            lacking.update(f"{head}{name}" for name in inner - value.keys() if "." not in name and "[" not in name)

    for item in objects:
        walk(item, "")
    del types[""]
    return [
        *(f"{kind} lacks {path}" for path in sorted(lacking)),
        *(f"{kind} has {path} {sorted(found)}" for path, found in types.items() if path not in wanted),
        *(
            f"{kind}.{path} is {sorted(found)}, recorded {wanted[path]}"
            for path, found in types.items()
            if path in wanted and not found <= set(wanted[path].split())
        ),
    ]


@pytest.mark.parametrize("kind", [*PATHS, *SINGLE])
async def test_an_object_has_the_recorded_shape(running: Any, recordings: Any, kind: str) -> None:
    async with running(adventureworks()) as shop:
        await shop.register("product.updated", "action.woocommerce_product_set_stock")
        shop.shop.orders.set_tracking(next(iter(shop.shop.orders.orders)), "dpd", "1")
        objects = await shop.get(PATHS[kind]) if kind in PATHS else [await shop.get(SINGLE[kind])]
    assert objects
    assert differences(kind, recordings("shapes")[kind], objects) == []


async def test_a_variation_has_two_recorded_shapes(running: Any, recordings: Any) -> None:
    shapes = recordings("shapes")
    async with running() as shop:
        as_product = [await shop.get(f"/products/{number}") for number in (3, 4)]
        own = [await shop.get(f"/products/2/variations/{number}") for number in (3, 4)]
    assert differences("variation_as_product", shapes["variation_as_product"], as_product) == []
    assert differences("variation", shapes["variation"], own) == []


async def test_refunds_of_an_order_have_the_recorded_shape(running: Any, recordings: Any) -> None:
    async with running() as shop:
        line = next(iter(shop.shop.orders.get(5).lines))
        shop.shop.orders.refund(5, {line: 1}, reason="scratched")
        shop.shop.orders.refund(5)
        refunds = await shop.get("/orders/5/refunds")
    assert differences("refund", recordings("shapes")["refund"], refunds) == []
    assert [(refund["amount"], len(refund["line_items"])) for refund in refunds] == [("15.00", 0), ("9.00", 1)]


async def test_a_webhook_has_the_object_of_the_api(running: Any, recordings: Any) -> None:
    shapes = recordings("shapes")
    kinds = {"product": "product", "variation": "variation_as_product", "order": "order", "customer": "customer"}
    async with running() as shop:
        await shop.register("product.updated", "order.updated", "customer.updated")
        shop.shop.set_title(1, "Cup/Mug é"), shop.shop.set_price(3, 39)
        shop.shop.orders.set_status(5, "on-hold")
        shop.shop.customers.update(2, first_name="Anne")
        await shop.woocommerce.webhooks.settled()
        answered = await shop.get("/products/1")
    bodies = [(headers, body) for _, headers, body in shop.inbox.received]
    seen = set()
    for headers, body in bodies:
        written = json.loads(body)
        resource = headers["x-wc-webhook-resource"]
        kind = kinds["variation" if written.get("type") == "variation" else resource]
        assert differences(kind, shapes[kind], [written]) == []
        seen.add(kind)
    assert seen == set(kinds.values())
    assert json.loads(bodies[0][1]) == answered
    # PHP escapes slashes and writes ASCII; the signature is over exactly these bytes.
    assert b'"name":"Cup\\/Mug \\u00e9"' in bodies[0][1]
