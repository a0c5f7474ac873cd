"""B2B attributes of a variant, from metafields of the variant, else of the product. Pure.

SparkLayer documents the keys for other platforms, on variants (sparklayer.md section 11); that they apply to
BigCommerce, and also to products, is inferred. `settings` is JSON: a list of rules with a `customer_group`, or an
object of rules by group. It replaces single keys on the same owner; these apply to the group `base`. A variant's
metafields override its product's, key by key. A variant's `settings` replaces all rules of the product. Without it, the
variant's single keys override the product's rules for `base`.

A field with an unreadable value is listed as such, so that SparkLayer keeps its own, with an issue that names the owner
and the expected format. A value on the product is reported once, not once for each variant.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from attrs import evolve, frozen

from daemon.entities import Issue, OrderRules
from daemon.issues import IssueType
from daemon.platforms.shared.amounts import decimal_number, usable, whole_number
from daemon.platforms.shared.dates import date_of

T = TypeVar("T")

BASE = "base"
COUNTS = (
    *("pack_size", "reserve_stock_quantity", "min_order_quantity", "max_order_quantity"),
    *("min_order_parent_quantity", "max_order_parent_quantity"),
)
FLAGS = ("display", "sell")
TRUE, FALSE = frozenset({"true", "1", "yes"}), frozenset({"false", "0", "no"})


@frozen(kw_only=True)
class VariantAttributes:
    """The B2B attributes of one variant."""

    rrp: Decimal | None = None
    settings: tuple[OrderRules, ...] = ()
    restock_date: dt.date | None = None
    min_stock_level: int | None = None
    unreadable: frozenset[str] = frozenset()
    """Names of the fields above with a value that cannot be read, in whole or in part."""


NOTHING = VariantAttributes()


def read(product: Mapping[str, str], variant: Mapping[str, str], called: str, issues: list[Issue]) -> VariantAttributes:
    """Return the attributes of a variant; `called` is its name for people, `issues` those of its product."""
    if not product and not variant:
        return NOTHING
    texts = {**product, **variant}
    unreadable = set[str]()

    def value(name: str, parse: Callable[[str], T], expected: str) -> T | None:
        """Return an attribute; None if missing or unreadable."""
        text = texts.get(name, "").strip()
        if not text:
            return None
        try:
            return parse(text)
        except (ValueError, TypeError, msgspec.DecodeError, RecursionError):
            unreadable.add(name if name not in {*COUNTS, *FLAGS} else "settings")
            owner = called[:1].lower() + called[1:] if name in variant else "the product"
            words = {"platform": "BigCommerce", "name": name, "owner": owner, "expected": expected}
            issue = IssueType.ATTRIBUTE_UNREADABLE.issue(**words)
            if issue not in issues:
                issues.append(issue)
            return None

    expected = "a JSON list of rules, each with a customer_group and, as quantities, whole numbers of 0 or more,"
    whole = value("settings", _rules, expected)
    # A variant's own single keys override the product's `settings`; its own `settings` replace them.
    over = texts if whole is None else {} if "settings" in variant else variant
    single: dict[str, Any] = {
        name: value(name, _count, "a whole number of 0 or more") for name in COUNTS if name in over
    }
    single |= {name: value(name, _flag, "true or false") for name in FLAGS if name in over}
    single = {name: rule for name, rule in single.items() if rule is not None}
    rules = {rule.customer_group: rule for rule in whole or ()}
    if single:
        rules[BASE] = evolve(rules.get(BASE, OrderRules(customer_group=BASE)), **single)
    return VariantAttributes(
        rrp=value("rrp", _amount, "an amount of 0 or more such as 19.99"),
        settings=tuple(rules.values()),
        restock_date=value("restock_date", date_of, "a date such as 2026-12-31"),
        min_stock_level=value("min_stock_level", whole_number, "a whole number"),
        unreadable=frozenset(unreadable),
    )


def _rules(text: str) -> tuple[OrderRules, ...]:
    content: Any = msgspec.json.decode(text)
    if isinstance(content, dict):
        content = [{"customer_group": group, **rules} for group, rules in content.items()]
    rules = {rule.customer_group: rule for rule in msgspec.convert(content, list[OrderRules])}
    if not all(group.strip() for group in rules):
        raise ValueError(text)
    if any((getattr(rule, name) or 0) < 0 for rule in rules.values() for name in COUNTS):
        raise ValueError(text)
    return tuple(rules.values())


def _amount(text: str) -> Decimal:
    amount = decimal_number(text)
    if not usable(amount):
        raise ValueError(text)
    return amount


def _count(text: str) -> int:
    count = whole_number(text)
    if count < 0:
        raise ValueError(text)
    return count


def _flag(text: str) -> bool:
    word = text.lower()
    if word not in TRUE | FALSE:
        raise ValueError(text)
    return word in TRUE
