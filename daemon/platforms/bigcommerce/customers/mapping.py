"""Maps a BigCommerce customer to its target state in SparkLayer. Pure: no clock, no await.

A customer outside the B2B groups maps to nothing, without an issue.
"""

from collections.abc import Mapping, Sequence

from attrs import frozen

from daemon.entities import Address, Customer, Mapped, StoreFacts
from daemon.issues import IssueType
from daemon.model import AddressId
from daemon.platforms.bigcommerce.customers import schema
from daemon.platforms.bigcommerce.ids import LARGEST_ID
from daemon.platforms.shared import customers
from daemon.platforms.shared.mapping import page_url, unread
from daemon.platforms.shared.rows import Odd

PLATFORM = "BigCommerce"


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


def customer(source: RawCustomer | Odd, facts: StoreFacts) -> Mapped[Customer]:
    """Map one customer. Never raises for a value that `schema` accepts."""
    raw: schema.Customer = source.rest if isinstance(source, Odd) else source.customer
    url = page_url(facts, f"/manage/customers/{raw.id}/edit")  # inferred
    if isinstance(source, Odd):
        return unread(source, PLATFORM, str(raw.id), url)
    group = raw.customer_group_id
    why_not = f"Its customer group, {group}, is not a B2B group." if group else "It is not in a customer group."
    return customers.customer(
        customers.StoreCustomer(
            platform=PLATFORM,
            id=raw.id,
            email=_text(raw.email),
            first_name=_text(raw.first_name),
            last_name=_text(raw.last_name),
            company=_text(raw.company),
            url=url,
            why_not_b2b="" if source.is_b2b else why_not,
            attributes={name: attribute.attribute_value for name, attribute in source.attributes.items()},
            addresses=[_raw_address(address) for address in sorted(source.addresses, key=lambda address: address.id)],
            group=source.group,
            issues=[IssueType.EMAIL_IN_ANOTHER_CHANNEL.issue(platform=PLATFORM)] if source.has_namesake else [],
            largest_id=LARGEST_ID,
        )
    )


def _raw_address(raw: schema.Address) -> customers.RawAddress:
    address = Address(
        address_line1=_text(raw.address1),
        address_line2=_text(raw.address2),
        city=_text(raw.city),
        region_code=_text(raw.state_or_province),
        postal_code=_text(raw.postal_code),
        country_code=_text(raw.country_code).upper(),
        first_name=_text(raw.first_name),
        last_name=_text(raw.last_name),
        company=_text(raw.company),
        phone=_text(raw.phone),
    )
    return customers.RawAddress(id=AddressId(str(raw.id)), label=raw.id, address=address)


def _text(value: str | None) -> str:
    return (value or "").strip()
