"""B2B attributes of a variant, from metafields of the variant, else of the product. Pure.

The keys are those that SparkLayer documents for other platforms, where they stand on the variant (sparklayer.md
section 11); that the same serve on BigCommerce, and on the product as well, is inferred. `settings` (JSON: a list of
rules with a `customer_group`, or an object of rules by group) supersedes the single keys, which are those of the
group `base`. What cannot be read is a problem that says what was expected, and is left out.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import msgspec
from attrs import frozen

from daemon.model import OrderRules, Problem
from daemon.problems import Trouble

T = TypeVar("T")

BASE = "base"
COUNTS = (
    *("pack_size", "reserve_stock_quantity", "min_order_quantity", "max_order_quantity"),
    *("min_order_parent_quantity", "max_order_parent_quantity"),
)
FLAGS = ("display", "sell")
TRUE, FALSE = frozenset({"true", "1", "yes"}), frozenset({"false", "0", "no"})


@frozen(kw_only=True)
class Attributes:
    """What is attached to a variant."""

    rrp: Decimal | None = None
    settings: tuple[OrderRules, ...] = ()
    restock_date: dt.date | None = None
    min_stock_level: int | None = None


NOTHING = Attributes()


def read(product: Mapping[str, str], variant: Mapping[str, str], called: str, problems: list[Problem]) -> Attributes:
    """Return the attributes of a variant; `called` is what a person calls it."""
    texts = {**product, **variant}
    if not texts:
        return NOTHING
    reader = _Reader(texts, called, problems)
    return Attributes(
        rrp=reader.value("rrp", _amount, "an amount of 0 or more such as 19.99"),
        settings=_settings(reader),
        restock_date=reader.value("restock_date", dt.date.fromisoformat, "a date such as 2026-12-31"),
        min_stock_level=reader.value("min_stock_level", int, "a whole number"),
    )


@frozen
class _Reader:
    texts: Mapping[str, str]
    called: str
    problems: list[Problem]

    def value(self, name: str, parse: Callable[[str], T], expected: str) -> T | None:
        """Return an attribute, or None when it is not there or cannot be read."""
        text = self.texts.get(name, "").strip()
        if not text:
            return None
        try:
            return parse(text)
        except (ValueError, TypeError, InvalidOperation, msgspec.DecodeError, RecursionError):
            trouble = Trouble.ATTRIBUTE_UNREADABLE
            self.problems.append(
                trouble.problem(platform="BigCommerce", name=name, owner=_begun(self.called), expected=expected)
            )
            return None


def _begun(called: str) -> str:
    """Return what a variant is called in the middle of a sentence."""
    return called[:1].lower() + called[1:]


def _settings(reader: _Reader) -> tuple[OrderRules, ...]:
    whole = reader.value("settings", _rules, "a JSON list of rules, each with a customer_group,")
    if whole is not None:
        return whole
    counts = {name: reader.value(name, _count, "a whole number of 0 or more") for name in COUNTS}
    flags = {name: reader.value(name, _flag, "true or false") for name in FLAGS}
    given = {name: value for name, value in {**counts, **flags}.items() if value is not None}
    return (OrderRules(customer_group=BASE, **given),) if given else ()  # type: ignore[arg-type]


def _rules(text: str) -> tuple[OrderRules, ...]:
    content: Any = msgspec.json.decode(text)
    if isinstance(content, dict):
        content = [{"customer_group": group, **rules} for group, rules in content.items()]
    rules = msgspec.convert(content, list[OrderRules])
    return tuple({rule.customer_group: rule for rule in rules}.values())


def _amount(text: str) -> Decimal:
    amount = Decimal(text)
    if not amount.is_finite() or amount < 0:
        raise ValueError(text)
    return amount


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise ValueError(text)
    return count


def _flag(text: str) -> bool:
    word = text.lower()
    if word not in TRUE | FALSE:
        raise ValueError(text)
    return word in TRUE
