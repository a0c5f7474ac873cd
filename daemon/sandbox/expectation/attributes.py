"""Attributes of a store's variants from metafields and retail prices, compared with a site.

A variant's metafield goes before its product's, key by key. `rrp` is an amount of the store's currency; without one
the retail price counts, if it is not zero. `settings` is JSON, a list with one entry for a customer group or an object
of entries by group, and goes before the single keys beside it, which are for the group `base`; those of a variant go
before its product's `settings`. A restock date and a minimum
level belong to the stock of a SKU that is tracked. What cannot be read is as if it were not there.
"""

import json
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from daemon.sandbox.bigcommerce.records import Variant
from daemon.sandbox.bigcommerce.store import Store
from daemon.sandbox.expectation.products import Picture, compared, expected, held
from daemon.sandbox.sparklayer.api import State

BASE = "base"
_WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


RULES: Mapping[str, Callable[[str], Any]] = {
    "pack_size": int,
    "reserve_stock_quantity": int,
    "min_order_quantity": int,
    "max_order_quantity": int,
    "min_order_parent_quantity": int,
    "max_order_parent_quantity": int,
    "display": lambda text: _WORDS[text.lower()],
    "sell": lambda text: _WORDS[text.lower()],
}
"""The keys of an entry of `settings`, and how each is read where it stands alone."""


def attribute_differences(store: Store, state: State) -> list[str]:
    """Return how the rrp, rules, restock dates and minimum levels of a site differ from the store's."""
    wanted = expected(store)
    variants = {key: store.variant(int(key)) for product in wanted["products"].values() for key in product["variants"]}
    rules = {key: expected_rules(store, variant) for key, variant in variants.items()}
    stock = {variant.sku: _stock(store, variant) for variant in variants.values() if variant.sku in wanted["stock"]}
    return [
        *compared("variant", rules, _held_rules(state)),
        *compared("stock of", stock, {sku: _held_stock(state, sku) for sku in held(state)["stock"]}),
    ]


def _texts(store: Store, variant: Variant) -> dict[str, str]:
    own = store.metafields.texts("variant", variant.id)
    return store.metafields.texts("product", variant.product_id) | own


def expected_rules(store: Store, variant: Variant) -> Picture:
    """Return {"rrp": {currency: amount}, "settings": {group: rules}} of a variant."""
    texts = _texts(store, variant)
    own, product = variant.retail_price, store.entry(variant.product_id).product
    rrp = _read(Decimal, texts.get("rrp"))
    rrp = Decimal(str(product.retail_price if own is None else own)) if rrp is None else rrp
    return {"rrp": {store.currency: rrp.normalize()} if rrp else {}, "settings": _settings(store, variant)}


def _settings(store: Store, variant: Variant) -> Picture:
    own, texts = store.metafields.texts("variant", variant.id), _texts(store, variant)
    entries = _entries(_read(json.loads, texts.get("settings")))
    if entries is None:
        return _single(texts)
    rules = _by_group(entries)
    over = {} if "settings" in own else _single(own)
    return rules | {group: rules.get(group, {}) | one for group, one in over.items()}


def _single(texts: Mapping[str, str]) -> Picture:
    return _by_group([{"customer_group": BASE, **{key: _read(read, texts.get(key)) for key, read in RULES.items()}}])


def _entries(content: Any) -> list[Mapping[str, Any]] | None:
    """Return the entries of `settings`; None when it is not what was agreed."""
    if isinstance(content, dict):
        content = [{"customer_group": group, **rules} for group, rules in content.items() if isinstance(rules, dict)]
    fit = isinstance(content, list) and all(isinstance(entry, dict) and "customer_group" in entry for entry in content)
    return content if fit else None


def _by_group(entries: list[Mapping[str, Any]]) -> Picture:
    groups = {entry["customer_group"]: {key: entry.get(key) for key in RULES} for entry in entries}
    kept = {group: {key: value for key, value in rules.items() if value is not None} for group, rules in groups.items()}
    return {group: rules for group, rules in kept.items() if rules}


def _stock(store: Store, variant: Variant) -> Picture:
    texts = _texts(store, variant)
    return {
        "restock_date": _read(lambda text: date.fromisoformat(text).isoformat(), texts.get("restock_date")),
        "min_stock_level": _read(int, texts.get("min_stock_level")),
    }


def _read(reader: Callable[[str], Any], text: str | None) -> Any:
    try:
        return None if text is None else reader(text.strip())
    except (ValueError, KeyError, InvalidOperation):
        return None


def _held_rules(state: State) -> Picture:
    products = state.comparable()["products"].values()
    return {
        key: {
            "rrp": {row["currency_code"]: Decimal(str(row["price"])).normalize() for row in variant.get("rrp", [])},
            "settings": _by_group(variant.get("settings", [])),
        }
        for product in products
        for key, variant in product["variants"].items()
        if variant.get("status") != "discontinued"
    }


def _held_stock(state: State, sku: str) -> Picture:
    """Return what all locations say of a SKU; one that says nothing has no say."""
    terms = ("restock_date", "min_stock_level")
    said = {name: level[name] for level in state.stock.levels[sku].values() for name in terms if name in level}
    return {name: said.get(name) for name in terms}
