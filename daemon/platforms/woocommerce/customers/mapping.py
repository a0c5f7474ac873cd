"""Maps a WooCommerce customer to its target state in SparkLayer. Pure: no clock, no await.

A customer without a B2B role maps to nothing, without an issue. A customer with a missing or invalid e-mail address
maps to nothing with an issue, so SparkLayer keeps what it has. So does one whose parent's id is impossible, because it
must not become a main account. Incomplete addresses and unreadable attributes are left out, with an issue. An address
that says nothing about a place was never entered, so it is left out without one.
"""

import html
import re
from collections.abc import Iterator

from attrs import frozen

from daemon.entities import Address, Customer, Issue, Mapped, StoreFacts
from daemon.issues import IssueType
from daemon.model import AddressId, ExternalId
from daemon.platforms.shared.customers import attributes
from daemon.platforms.shared.customers.countries import COUNTRIES
from daemon.platforms.shared.rows import Odd
from daemon.platforms.woocommerce.customers import schema
from daemon.platforms.woocommerce.ids import LARGEST_ID
from daemon.platforms.woocommerce.meta import text_of

PLATFORM = "WooCommerce"
LONGEST_SHOWN = 40
"""Digits of a parent's id shown in an issue."""

ADDRESSES = ("billing", "shipping")
"""A customer's two addresses: the names of their fields."""

_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
_PLACE = ("address_1", "address_2", "city", "postcode")
_NEEDED = {
    "address_1": IssueType.ADDRESS_LINE_1_EMPTY,
    "city": IssueType.ADDRESS_CITY_EMPTY,
    "country": IssueType.ADDRESS_COUNTRY_EMPTY,
}


@frozen(kw_only=True)
class RawCustomer:
    """A customer as read. `prefix` begins the names of meta fields that are B2B attributes."""

    customer: schema.Customer
    is_b2b: bool
    prefix: str


def customer(source: RawCustomer, facts: StoreFacts) -> Mapped[Customer]:
    """Map one customer. Never raises for a value that `schema` accepts."""
    raw = source.customer
    if not source.is_b2b:
        why = f'It has no B2B role (its first role is "{raw.role}").'
        return Mapped(value=None, name=_name(raw), url=_url(raw.id, facts), reasons=(why,))
    issues: list[Issue] = []
    email = raw.email.strip()
    if not _EMAIL.fullmatch(email):
        trouble = IssueType.EMAIL_INVALID if email else IssueType.EMAIL_MISSING
        issues.append(trouble.issue(platform=PLATFORM))
    extra = attributes.read(_attributes(source), PLATFORM, issues)
    stray = str(extra.parent) if extra.parent is not None and extra.parent > LARGEST_ID else extra.stray_parent
    if stray is not None:
        issues.append(IssueType.PARENT_IMPOSSIBLE.issue(platform=PLATFORM, parent=stray[:LONGEST_SHOWN]))
    addresses = dict(_addresses(raw, issues))
    entered = [_id_of(raw, name) for name in ADDRESSES if _is_entered(getattr(raw, name))]
    value = Customer(
        external_id=ExternalId(str(raw.id)),
        email=email,
        first_name=_text(raw.first_name) or _text(raw.billing.first_name),
        last_name=_text(raw.last_name) or _text(raw.billing.last_name),
        company_name=extra.company_name or _text(raw.billing.company),
        addresses=addresses,
        group=extra.group,
        accounting_id=extra.accounting_id,
        sales_agent_groups=extra.sales_agent_groups,
        price_lists=extra.price_lists,
        discount_percentage=extra.discount_percentage,
        payment_on_account=extra.payment_on_account,
        parent=ExternalId(str(extra.parent)) if extra.parent is not None else None,
        unreadable=extra.unreadable,
        unreadable_addresses=tuple(id_ for id_ in entered if id_ not in addresses),
    )
    return Mapped(
        value=value if _EMAIL.fullmatch(email) and stray is None else None,
        issues=tuple(issues),
        name=value.company_name or _name(raw),
        url=_url(raw.id, facts),
    )


def unread(odd: Odd, facts: StoreFacts) -> Mapped[Customer]:
    """Map a customer with odd fields to its issues, so SparkLayer keeps what it has; no fields: a retail customer."""
    found = [IssueType.FIELD_UNREADABLE.issue(platform=PLATFORM, field=name) for name in odd.fields]
    return Mapped(value=None, issues=tuple(found), name=str(odd.id), url=_url(odd.id, facts))


def _attributes(source: RawCustomer) -> dict[str, str | int | float | None]:
    """Return the B2B attributes by name, without the prefix: the first of each name, as WordPress does."""
    found: dict[str, str | int | float | None] = {}
    for field in source.customer.meta_data:
        if field.key.startswith(source.prefix):
            found.setdefault(field.key.removeprefix(source.prefix), text_of(field.value))
    return found


def _name(raw: schema.Customer) -> str:
    full = f"{_text(raw.first_name)} {_text(raw.last_name)}".strip()
    return _text(raw.billing.company) or full or raw.email.strip() or str(raw.id)


def _url(customer: int, facts: StoreFacts) -> str:
    return f"{facts.url}/user-edit.php?user_id={customer}" if facts.url else ""  # inferred


def _addresses(raw: schema.Customer, issues: list[Issue]) -> Iterator[tuple[AddressId, Address]]:
    for name in ADDRESSES:
        place: schema.Address = getattr(raw, name)
        if not _is_entered(place):
            continue
        missing = [trouble for part, trouble in _NEEDED.items() if not _text(getattr(place, part))]
        country = _text(place.country).upper()
        issues += [trouble.issue(platform=PLATFORM, address=name) for trouble in missing]
        if missing:
            continue
        if country not in COUNTRIES:
            trouble = IssueType.ADDRESS_COUNTRY_UNKNOWN
            issues.append(trouble.issue(platform=PLATFORM, address=name, country=country))
        else:
            yield _id_of(raw, name), _address(place, country)


def _id_of(raw: schema.Customer, name: str) -> AddressId:
    # The id of an address is unique in a site of SparkLayer, not in its customer.
    return AddressId(f"{raw.id}-{name}")


def _is_entered(place: schema.Address) -> bool:
    """Return True for an address that says something about a place."""
    return any(_text(getattr(place, part)) for part in _PLACE)


def _address(raw: schema.Address, country: str) -> Address:
    return Address(
        address_line1=_text(raw.address_1),
        address_line2=_text(raw.address_2),
        city=_text(raw.city),
        region_code=_text(raw.state),
        postal_code=_text(raw.postcode),
        country_code=country,
        first_name=_text(raw.first_name),
        last_name=_text(raw.last_name),
        company=_text(raw.company),
        phone=_text(raw.phone),
    )


def _text(value: str) -> str:
    # WordPress stores & as an entity in texts that a person without special rights has saved.
    return html.unescape(value).strip()
