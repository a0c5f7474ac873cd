"""Maps a WooCommerce customer to its target state in SparkLayer. Pure: no clock, no await.

A customer without a B2B role maps to nothing, without an issue. An address that says nothing about a place was never
entered, so it is left out without one.
"""

import html
from collections.abc import Iterator

from attrs import frozen

from daemon.entities import Address, Customer, Mapped, StoreFacts
from daemon.model import AddressId
from daemon.platforms.shared import customers
from daemon.platforms.shared.mapping import page_url, unread
from daemon.platforms.shared.rows import Odd
from daemon.platforms.woocommerce.customers import schema
from daemon.platforms.woocommerce.values import LARGEST_ID, text_of

PLATFORM = "WooCommerce"

ADDRESSES = ("billing", "shipping")
"""A customer's two addresses: the names of their fields."""

_PLACE = ("address_1", "address_2", "city", "postcode")


@frozen(kw_only=True)
class RawCustomer:
    """A customer as read. `prefix` begins the names of meta fields that are B2B attributes."""

    customer: schema.Customer
    is_b2b: bool
    prefix: str


def customer(source: RawCustomer | Odd, facts: StoreFacts) -> Mapped[Customer]:
    """Map one customer. Never raises for a value that `schema` accepts."""
    raw: schema.Customer = source.rest if isinstance(source, Odd) else source.customer
    url = page_url(facts, f"/user-edit.php?user_id={raw.id}")  # inferred
    if isinstance(source, Odd):
        return unread(source, PLATFORM, str(raw.id), url)
    return customers.customer(
        customers.StoreCustomer(
            platform=PLATFORM,
            id=raw.id,
            email=raw.email.strip(),
            first_name=_text(raw.first_name) or _text(raw.billing.first_name),
            last_name=_text(raw.last_name) or _text(raw.billing.last_name),
            company=_text(raw.billing.company),
            url=url,
            why_not_b2b="" if source.is_b2b else f'It has no B2B role (its first role is "{raw.role}").',
            attributes=_attributes(source),
            addresses=list(_addresses(raw)),
            largest_id=LARGEST_ID,
        )
    )


def _attributes(source: RawCustomer) -> dict[str, str | int | float | None]:
    """Return the B2B attributes by name, without the prefix: the first of each name, as WordPress does."""
    found: dict[str, str | int | float | None] = {}
    for field in source.customer.meta_data:
        if field.key.startswith(source.prefix):
            found.setdefault(field.key.removeprefix(source.prefix), text_of(field.value))
    return found


def _addresses(raw: schema.Customer) -> Iterator[customers.RawAddress]:
    for name in ADDRESSES:
        place: schema.Address = getattr(raw, name)
        if any(_text(getattr(place, part)) for part in _PLACE):
            # The id of an address is unique in a site of SparkLayer, not in its customer.
            yield customers.RawAddress(id=AddressId(f"{raw.id}-{name}"), label=name, address=_address(place))


def _address(raw: schema.Address) -> Address:
    return Address(
        address_line1=_text(raw.address_1),
        address_line2=_text(raw.address_2),
        city=_text(raw.city),
        region_code=_text(raw.state),
        postal_code=_text(raw.postcode),
        country_code=_text(raw.country).upper(),
        first_name=_text(raw.first_name),
        last_name=_text(raw.last_name),
        company=_text(raw.company),
        phone=_text(raw.phone),
    )


def _text(value: str) -> str:
    # WordPress stores & as an entity in texts that a person without special rights has saved.
    return html.unescape(value).strip()
