"""Maps the parts of a customer that every platform has to its target state in SparkLayer. Pure.

A customer with a missing or invalid e-mail address maps to nothing with an issue, so SparkLayer keeps what it has. So
does one whose parent's id is impossible, because it must not become a main account. Of incomplete addresses and
unreadable attributes, SparkLayer keeps what it has, with an issue.

B2B attributes come from the fields that a platform lets merchants add. An attribute has the name of SparkLayer's field.
Case, spaces and hyphens are ignored, and the name may begin with `sparklayer_` (inferred: the pages about BigCommerce's
attributes were not readable). Other platforms pass the names without it. An unreadable value is listed as such, so that
SparkLayer keeps its own, with an issue that says what was expected.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from attrs import frozen

from daemon.entities import Address, Credit, Customer, Issue, Mapped
from daemon.issues import IssueType
from daemon.model import AddressId, ExternalId
from daemon.platforms.shared.amounts import decimal_number, whole_number

PREFIX = "sparklayer_"
PARENT = "parent_customer_id"
HUNDRED = 100
LONGEST_SHOWN = 40
"""Characters of a parent's id shown in an issue."""

_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")

_NEEDED = {
    "address_line1": IssueType.ADDRESS_LINE_1_EMPTY,
    "city": IssueType.ADDRESS_CITY_EMPTY,
    "country_code": IssueType.ADDRESS_COUNTRY_EMPTY,
}

_CODES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR
GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO
JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR
MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO
RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV
TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW
"""
_COUNTRIES = frozenset(_CODES.split())
"""The two-letter country codes of ISO 3166-1, and XK, which stores use for Kosovo."""


@frozen(kw_only=True)
class RawAddress:
    """An address as the store has it, which may be incomplete. `label` names it in issues."""

    id: AddressId
    label: int | str
    address: Address


@frozen(kw_only=True)
class StoreCustomer:
    """A customer as the store has it; texts are without spaces around them.

    `why_not_b2b` is empty for a B2B customer; SparkLayer must not have others. `attributes` are by name (see
    `read_attributes`). `group` is the SparkLayer group, unless an attribute names one. `issues` are the platform's own.
    `largest_id` is the largest number that an id of the platform can be.
    """

    platform: str
    id: int
    email: str
    first_name: str
    last_name: str
    company: str
    url: str
    why_not_b2b: str
    attributes: Mapping[str, str | int | float | None]
    addresses: Sequence[RawAddress]
    group: str | None = None
    issues: Sequence[Issue] = ()
    largest_id: int


def customer(source: StoreCustomer) -> Mapped[Customer]:
    """Map a customer; one that is not B2B to nothing, without an issue."""
    person = f"{source.first_name} {source.last_name}".strip() or source.email or str(source.id)
    if source.why_not_b2b:
        reasons = (source.why_not_b2b,)
        return Mapped(value=None, name=source.company or person, url=source.url, reasons=reasons)
    issues: list[Issue] = []
    has_email = _EMAIL.fullmatch(source.email) is not None
    if not has_email:
        trouble = IssueType.EMAIL_INVALID if source.email else IssueType.EMAIL_MISSING
        issues.append(trouble.issue(platform=source.platform))
    issues += source.issues
    fields, has_possible_parent = read_attributes(source.attributes, source.platform, source.largest_id, issues)
    complete = dict(_complete(source.addresses, source.platform, issues))
    value = Customer(
        external_id=ExternalId(str(source.id)),
        email=source.email,
        first_name=source.first_name,
        last_name=source.last_name,
        addresses=complete,
        unreadable_addresses=tuple(each.id for each in source.addresses if each.id not in complete),
        **{"company_name": source.company, "group": source.group, **fields},
    )
    return Mapped(
        value=value if has_email and has_possible_parent else None,
        issues=tuple(issues),
        name=value.company_name or person,
        url=source.url,
    )


def _complete(given: Iterable[RawAddress], platform: str, issues: list[Issue]) -> Iterator[tuple[AddressId, Address]]:
    """Yield the addresses that SparkLayer accepts; add an issue for each problem of the others."""
    for each in given:
        country = each.address.country_code
        missing = [trouble for name, trouble in _NEEDED.items() if not getattr(each.address, name)]
        issues += [trouble.issue(platform=platform, address=each.label) for trouble in missing]
        if missing:
            continue
        if country not in _COUNTRIES:
            trouble = IssueType.ADDRESS_COUNTRY_UNKNOWN
            issues.append(trouble.issue(platform=platform, address=each.label, country=country))
        else:
            yield each.id, each.address


def read_attributes(
    values: Mapping[str, str | int | float | None], platform: str, largest_id: int, issues: list[Issue]
) -> tuple[dict[str, Any], bool]:
    """Return the fields of `Customer` that `values`, by name, decide, and False if the parent's id is impossible.

    An issue is added for each value that cannot be read; `unreadable` names it.
    """
    # The prefixed name comes last, so it wins over the plain one.
    ranked = sorted(values.items(), key=lambda item: _plain(item[0]).startswith(PREFIX))
    texts = {
        _plain(name).removeprefix(PREFIX): text
        for name, value in ranked
        if value is not None and (text := str(value).strip())
    }
    fields: dict[str, Any] = {}
    unreadable: list[str] = []
    for name, (parse, expected) in _PARSERS.items():
        try:
            if name in texts:
                fields[name] = parse(texts[name])
        except (ValueError, TypeError, KeyError, msgspec.DecodeError, RecursionError):
            words = {"platform": platform, "name": name, "owner": "the customer", "expected": expected}
            issues.append(IssueType.ATTRIBUTE_UNREADABLE.issue(**words))
            unreadable.append(name)
    parent = texts.get(PARENT)
    number = None if parent is None else _id(parent)
    is_possible = parent is None or (number is not None and number <= largest_id)
    if not is_possible:
        shown = str(number or parent)[:LONGEST_SHOWN]
        issues.append(IssueType.PARENT_IMPOSSIBLE.issue(platform=platform, parent=shown))
    elif number is not None:
        fields["parent"] = ExternalId(str(number))
    return {**fields, "unreadable": tuple(unreadable)}, is_possible


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


_LISTED = "texts separated by commas, or a JSON list of texts,"
_PARSERS: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "company_name": (str, "a text"),
    "group": (str, "a text"),
    "accounting_id": (str, "a text"),
    "sales_agent_groups": (_list, _LISTED),
    "price_lists": (_list, _LISTED),
    "discount_percentage": (_percentage, "a number from 0 to 100"),
    "payment_on_account": (_credit, 'JSON such as {"credit_limit": 1000, "balance": 0, "net_terms": 30}'),
}
"""Attributes that are fields of `Customer`: how each is read, and what is expected of it."""
