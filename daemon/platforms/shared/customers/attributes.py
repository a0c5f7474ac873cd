"""B2B attributes of a customer, from the fields that a platform lets merchants add. Pure.

An attribute has the name of SparkLayer's field. Case, spaces and hyphens are ignored, and the name may begin with
`sparklayer_` (inferred: the pages about BigCommerce's attributes were not readable). Other platforms pass the names
without it. An unreadable value is listed as such, so that SparkLayer keeps its own, with an issue that says what was
expected.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from attrs import evolve, frozen

from daemon.entities import Credit, Issue
from daemon.issues import IssueType
from daemon.platforms.shared.numbers import decimal_number, whole_number

T = TypeVar("T")

PREFIX = "sparklayer_"
PARENT = "parent_customer_id"
HUNDRED = 100


@frozen(kw_only=True)
class CustomerAttributes:
    """The B2B attributes of one customer."""

    company_name: str | None = None
    group: str | None = None
    accounting_id: str | None = None
    sales_agent_groups: tuple[str, ...] = ()
    price_lists: tuple[str, ...] = ()
    discount_percentage: Decimal | None = None
    payment_on_account: Credit | None = None
    parent: int | None = None
    stray_parent: str | None = None
    """The value of the parent's attribute if it is no id."""
    unreadable: tuple[str, ...] = ()
    """Names of fields with a value that cannot be read."""


def read(values: Mapping[str, str | int | float | None], platform: str, issues: list[Issue]) -> CustomerAttributes:
    """Return the B2B attributes among `values`, which are by name; add an issue for each unreadable one."""
    # The prefixed name comes last, so it wins over the plain one.
    ranked = sorted(values.items(), key=lambda item: _plain(item[0]).startswith(PREFIX))
    texts = {_field(name): text for name, value in ranked if value is not None and (text := str(value).strip())}
    unreadable: list[str] = []

    def value(name: str, parse: Callable[[str], T], expected: str) -> T | None:
        if not texts.get(name):
            return None
        try:
            return parse(texts[name])
        except (ValueError, TypeError, KeyError, msgspec.DecodeError, RecursionError):
            words = {"platform": platform, "name": name, "owner": "the customer", "expected": expected}
            issues.append(IssueType.ATTRIBUTE_UNREADABLE.issue(**words))
            unreadable.append(name)
            return None

    listed = "texts separated by commas, or a JSON list of texts,"
    credit = 'JSON such as {"credit_limit": 1000, "balance": 0, "net_terms": 30}'
    parent = texts.get(PARENT, "")
    attributes = CustomerAttributes(
        company_name=value("company_name", str, "a text"),
        group=value("group", str, "a text"),
        accounting_id=value("accounting_id", str, "a text"),
        sales_agent_groups=value("sales_agent_groups", _list, listed) or (),
        price_lists=value("price_lists", _list, listed) or (),
        discount_percentage=value("discount_percentage", _percentage, "a number from 0 to 100"),
        payment_on_account=value("payment_on_account", _credit, credit),
        parent=_id(parent),
        stray_parent=parent if parent and _id(parent) is None else None,
    )
    if attributes.stray_parent is not None:
        unreadable.append(PARENT)
    return evolve(attributes, unreadable=tuple(unreadable))


def _field(name: str) -> str:
    return _plain(name).removeprefix(PREFIX)


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def _list(text: str) -> tuple[str, ...]:
    items = msgspec.json.decode(text, type=list[str]) if text.startswith("[") else text.split(",")
    return tuple(dict.fromkeys(item.strip() for item in items if item.strip()))


def _percentage(text: str) -> Decimal:
    number = decimal_number(text.removesuffix("%").strip())
    if not 0 <= number <= HUNDRED:
        raise ValueError(text)
    return number


_DECODE_CREDIT = msgspec.json.Decoder(dict[str, Any], float_hook=str).decode
_CURRENCY = re.compile("[A-Za-z]{3}")


def _credit(text: str) -> Credit:
    content = {name: _written(value) for name, value in _DECODE_CREDIT(text).items() if value is not None}
    limit, currency = decimal_number(content["credit_limit"]), content.get("currency_code")
    balance = decimal_number(content["balance"]) if "balance" in content else None
    days = decimal_number(content["net_terms"]) if "net_terms" in content else None
    if limit < 0 or (currency is not None and not _CURRENCY.fullmatch(currency)):
        raise ValueError(text)
    if days is not None and (days < 0 or days != int(days)):
        raise ValueError(text)
    net_terms = None if days is None else int(days)
    return Credit(limit=limit, balance=balance, currency=currency and currency.upper(), net_terms=net_terms)


def _written(value: Any) -> str:
    """Return a text or a number of JSON as it is written; empty for anything else, which no reader takes."""
    return value.strip() if isinstance(value, str) else str(value) if type(value) is int else ""


def _id(text: str) -> int | None:
    """Return a positive whole number, or None for any other text."""
    try:
        number = whole_number(text)
    except ValueError:
        return None
    return number if number > 0 else None
