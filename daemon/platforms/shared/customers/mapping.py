"""Maps the parts of a customer that every platform has to its target state in SparkLayer. Pure.

A customer with a missing or invalid e-mail address maps to nothing with an issue, so SparkLayer keeps what it has. So
does one whose parent's id is impossible, because it must not become a main account. Of incomplete addresses and
unreadable attributes, SparkLayer keeps what it has, with an issue.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from attrs import frozen

from daemon.entities import Address, Customer, Issue, Mapped
from daemon.issues import IssueType
from daemon.model import AddressId, ExternalId
from daemon.platforms.shared.customers import attributes
from daemon.platforms.shared.customers.countries import COUNTRIES

LONGEST_SHOWN = 40
"""Characters of a parent's id shown in an issue."""

_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")

_NEEDED = {
    "address_line1": IssueType.ADDRESS_LINE_1_EMPTY,
    "city": IssueType.ADDRESS_CITY_EMPTY,
    "country_code": IssueType.ADDRESS_COUNTRY_EMPTY,
}


@frozen(kw_only=True)
class Person:
    """A customer as the store has it; texts are without spaces around them."""

    id: int
    email: str
    first_name: str
    last_name: str
    company: str
    url: str

    @property
    def name(self) -> str:
        """The name that people know the customer by."""
        return self.company or f"{self.first_name} {self.last_name}".strip() or self.email or str(self.id)


@frozen(kw_only=True)
class RawAddress:
    """An address as the store has it, which may be incomplete. `label` names it in issues."""

    id: AddressId
    label: int | str
    address: Address


@frozen(kw_only=True)
class B2BCustomer:
    """The parts of a B2B customer.

    `attributes` are by name (see `attributes.read`). `group` is the SparkLayer group, unless an attribute names one.
    `issues` are the platform's own. `largest_id` is the largest number that an id of the platform can be.
    """

    person: Person
    attributes: Mapping[str, str | int | float | None]
    addresses: Sequence[RawAddress]
    group: str | None = None
    issues: Sequence[Issue] = ()
    platform: str
    largest_id: int


def b2b(source: B2BCustomer) -> Mapped[Customer]:
    """Map a B2B customer."""
    person, issues = source.person, list[Issue]()
    has_email = _EMAIL.fullmatch(person.email) is not None
    if not has_email:
        trouble = IssueType.EMAIL_INVALID if person.email else IssueType.EMAIL_MISSING
        issues.append(trouble.issue(platform=source.platform))
    issues += source.issues
    extra = attributes.read(source.attributes, source.platform, issues)
    impossible = extra.parent is not None and extra.parent > source.largest_id
    stray = str(extra.parent) if impossible else extra.stray_parent
    if stray is not None:
        issues.append(IssueType.PARENT_IMPOSSIBLE.issue(platform=source.platform, parent=stray[:LONGEST_SHOWN]))
    complete = dict(_complete(source.addresses, source.platform, issues))
    value = Customer(
        external_id=ExternalId(str(person.id)),
        email=person.email,
        first_name=person.first_name,
        last_name=person.last_name,
        company_name=extra.company_name or person.company,
        addresses=complete,
        group=extra.group or source.group,
        accounting_id=extra.accounting_id,
        sales_agent_groups=extra.sales_agent_groups,
        price_lists=extra.price_lists,
        discount_percentage=extra.discount_percentage,
        payment_on_account=extra.payment_on_account,
        parent=ExternalId(str(extra.parent)) if extra.parent is not None else None,
        unreadable=extra.unreadable,
        unreadable_addresses=tuple(each.id for each in source.addresses if each.id not in complete),
    )
    return Mapped(
        value=value if has_email and stray is None else None,
        issues=tuple(issues),
        name=value.company_name or person.name,
        url=person.url,
    )


def _complete(given: Iterable[RawAddress], platform: str, issues: list[Issue]) -> Iterator[tuple[AddressId, Address]]:
    """Yield the addresses that SparkLayer accepts; add an issue for each problem of the others."""
    for each in given:
        country = each.address.country_code
        missing = [trouble for name, trouble in _NEEDED.items() if not getattr(each.address, name)]
        issues += [trouble.issue(platform=platform, address=each.label) for trouble in missing]
        if missing:
            continue
        if country not in COUNTRIES:
            trouble = IssueType.ADDRESS_COUNTRY_UNKNOWN
            issues.append(trouble.issue(platform=platform, address=each.label, country=country))
        else:
            yield each.id, each.address


def retail(person: Person, why: str) -> Mapped[Customer]:
    """Map a customer that SparkLayer must not have, without an issue."""
    return Mapped(value=None, name=person.name, url=person.url, reasons=(why,))
