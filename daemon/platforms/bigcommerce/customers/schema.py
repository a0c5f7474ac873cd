"""A customer as the API returns it: only the fields that we use."""

from typing import Any

from msgspec import Raw, Struct
from msgspec.json import Decoder

from daemon.platforms.shared.rows import OUT_OF_FILTER, Odd, Shape, Unreadable, readable


class Owned(Struct, frozen=True, kw_only=True):
    """A row of a customer; included in the customer, it need not name its owner."""

    customer_id: int | None = None


class Address(Owned, frozen=True, kw_only=True):
    """An address; every text may be empty, also the country."""

    id: int
    first_name: str | None
    last_name: str | None
    company: str | None
    address1: str
    address2: str | None
    city: str
    state_or_province: str | None
    postal_code: str | None
    country_code: str
    phone: str | None


class Attribute(Owned, frozen=True):
    """The value of an attribute; its name is in `AttributeName`."""

    attribute_id: int
    attribute_value: str | int | float | None


class Customer(Struct, frozen=True, kw_only=True):
    """A customer. At most 10 `addresses` and `attributes` are included; the counts have the real numbers.

    Fields of every answer are required. Both lists are missing if the server ignored `include`, and that must not be
    read as "none". A missing or null group must not be read as "none" either: that is 0.
    """

    id: int
    addresses: list[Address]
    attributes: list[Attribute]
    email: str | None
    first_name: str | None
    last_name: str | None
    company: str | None
    customer_group_id: int
    address_count: int | None = None
    attribute_count: int | None = None
    channel_ids: Any = None
    """Channels that the customer is limited to; empty if unlimited."""


INCLUDED = 10
"""Most addresses and attributes included in a customer (contract section 5)."""


class AttributeName(Struct, frozen=True):
    """The name of an attribute."""

    id: int
    name: str | None = None


class Group(Struct, frozen=True):
    """A customer group."""

    id: int
    name: str = ""
    is_group_for_guests: bool = False


ADDRESSES = Shape(Address)
ATTRIBUTES = Shape(Attribute)
NAMES = Shape(AttributeName)
GROUPS = Shape(Group)

_CUSTOMER = Shape(Customer)
_OWNED = Decoder(Owned, strict=False)


def read_customer(raw: Raw) -> Customer | Unreadable | Odd:
    """Decode one customer. Raises Retry if its id cannot be read.

    A customer with an address or an attribute that names another customer is unreadable.
    """
    customer = _CUSTOMER.read(raw)
    if isinstance(customer, Customer):
        owners = {row.customer_id for row in (*customer.addresses, *customer.attributes)}
        if owners - {None, customer.id}:
            return Unreadable(customer.id, "an address or an attribute is of another customer", reason=OUT_OF_FILTER)
    return customer


def read_owner(raw: Raw) -> int | None:
    """Return the customer that an address or an attribute names, or None."""
    return next((row.customer_id for row in readable([raw], _OWNED)), None)
