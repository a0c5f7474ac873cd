"""Maps a BigCommerce customer to its target state in SparkLayer. Pure: no clock, no await.

A customer outside the B2B groups maps to nothing, without an issue. A customer with a missing or invalid e-mail address
maps to nothing with an issue, so SparkLayer keeps what it has. So does one whose parent's id is impossible, because it
must not become a main account. Of invalid addresses and unreadable attributes, SparkLayer keeps what it has, with an
issue.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from attrs import frozen

from daemon.entities import Address, Customer, Issue, Mapped, StoreFacts
from daemon.issues import IssueType
from daemon.model import AddressId, ExternalId
from daemon.platforms.bigcommerce.customers import schema
from daemon.platforms.bigcommerce.ids import LARGEST_ID
from daemon.platforms.shared.customers import attributes
from daemon.platforms.shared.customers.countries import COUNTRIES
from daemon.platforms.shared.rows import Odd

PLATFORM = "BigCommerce"
LONGEST_SHOWN = 40
"""Characters of a parent's id shown in an issue."""

_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")

_NEEDED = {
    "address1": IssueType.ADDRESS_LINE_1_EMPTY,
    "city": IssueType.ADDRESS_CITY_EMPTY,
    "country_code": IssueType.ADDRESS_COUNTRY_EMPTY,
}


@frozen(kw_only=True)
class RawCustomer:
    """A customer as read. `attributes` are by name; `group` is the SparkLayer group from the settings."""

    customer: schema.Customer
    addresses: Sequence[schema.Address]
    attributes: Mapping[str, schema.Attribute]
    is_b2b: bool
    group: str | None = None
    has_namesake: bool = False
    """True if a retail customer has the same e-mail address."""


def customer(source: RawCustomer, facts: StoreFacts) -> Mapped[Customer]:
    """Map one customer. Never raises for a value that `schema` accepts."""
    raw = source.customer
    if not source.is_b2b:
        group = raw.customer_group_id
        why = f"Its customer group, {group}, is not a B2B group." if group else "It is not in a customer group."
        return Mapped(value=None, name=_name(raw), url=_url(raw.id, facts), reasons=(why,))
    issues: list[Issue] = []
    email = (raw.email or "").strip()
    if not _EMAIL.fullmatch(email):
        trouble = IssueType.EMAIL_INVALID if email else IssueType.EMAIL_MISSING
        issues.append(trouble.issue(platform=PLATFORM))
    if source.has_namesake:
        issues.append(IssueType.EMAIL_IN_ANOTHER_CHANNEL.issue(platform=PLATFORM))
    texts = {name: attribute.attribute_value for name, attribute in source.attributes.items()}
    extra = attributes.read(texts, PLATFORM, issues)
    stray = str(extra.parent) if extra.parent is not None and extra.parent > LARGEST_ID else extra.stray_parent
    if stray is not None:
        issues.append(IssueType.PARENT_IMPOSSIBLE.issue(platform=PLATFORM, parent=stray[:LONGEST_SHOWN]))
    addresses = dict(_addresses(source, issues))
    value = Customer(
        external_id=ExternalId(str(raw.id)),
        email=email,
        first_name=_text(raw.first_name),
        last_name=_text(raw.last_name),
        company_name=extra.company_name or _text(raw.company),
        addresses=addresses,
        group=extra.group or source.group,
        accounting_id=extra.accounting_id,
        sales_agent_groups=extra.sales_agent_groups,
        price_lists=extra.price_lists,
        discount_percentage=extra.discount_percentage,
        payment_on_account=extra.payment_on_account,
        parent=ExternalId(str(extra.parent)) if extra.parent is not None else None,
        unreadable=extra.unreadable,
        unreadable_addresses=tuple(id_ for id_ in map(_id_of, source.addresses) if id_ not in addresses),
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


def _name(raw: schema.Customer) -> str:
    full = f"{_text(raw.first_name)} {_text(raw.last_name)}".strip()
    return _text(raw.company) or full or (raw.email or "").strip() or str(raw.id)


def _url(customer: int, facts: StoreFacts) -> str:
    return f"{facts.url}/manage/customers/{customer}/edit" if facts.url else ""  # inferred


def _addresses(source: RawCustomer, issues: list[Issue]) -> Iterator[tuple[AddressId, Address]]:
    for raw in sorted(source.addresses, key=lambda address: address.id):
        missing = [trouble for name, trouble in _NEEDED.items() if not _text(getattr(raw, name))]
        country = _text(raw.country_code).upper()
        issues += [trouble.issue(platform=PLATFORM, address=raw.id) for trouble in missing]
        if missing:
            continue
        if country not in COUNTRIES:
            trouble = IssueType.ADDRESS_COUNTRY_UNKNOWN
            issues.append(trouble.issue(platform=PLATFORM, address=raw.id, country=country))
        else:
            yield _id_of(raw), _address(raw, country)


def _id_of(address: schema.Address) -> AddressId:
    return AddressId(str(address.id))


def _address(raw: schema.Address, country: str) -> Address:
    return Address(
        address_line1=_text(raw.address1),
        address_line2=_text(raw.address2),
        city=_text(raw.city),
        region_code=_text(raw.state_or_province),
        postal_code=_text(raw.postal_code),
        country_code=country,
        first_name=_text(raw.first_name),
        last_name=_text(raw.last_name),
        company=_text(raw.company),
        phone=_text(raw.phone),
    )


def _text(value: str | None) -> str:
    return (value or "").strip()
