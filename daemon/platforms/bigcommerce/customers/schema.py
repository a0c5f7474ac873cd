"""A customer as the API tells it: only the fields we use."""

from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.json import Decoder

from daemon.platforms.bigcommerce import schema
from daemon.platforms.bigcommerce.odd import Shape
from daemon.platforms.bigcommerce.schema import OUT_OF_FILTER, Odd, Unreadable


class Owned(Struct, frozen=True, kw_only=True):
    """Something of a customer; whose it is need not be told where it is included."""

    customer_id: int | None = None


class Address(Owned, frozen=True, kw_only=True):
    """Where something is sent; every text may be empty, and the country too."""

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
    """The value of an attribute; its name is told elsewhere."""

    attribute_id: int
    attribute_value: str | int | float | None


class Customer(Struct, frozen=True, kw_only=True):
    """A customer. At most 10 `addresses` and `attributes` are included; the counts tell how many there are.

    What every answer has must be there: both are missing when the server ignored `include`, and that must not read as
    "none". Nor must a group that is missing, or null, read as "none": that is 0.
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
    """The channels that it is limited to; none where it is not."""


INCLUDED = 10
"""So many are included at most (contract section 5)."""


class AttributeName(Struct, frozen=True):
    """What an attribute is called."""

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
    """Decode one customer. Raises Retry when not even its id can be told.

    One with an address or an attribute that says it is another customer's is unreadable.
    """
    customer = _CUSTOMER.read(raw)
    if isinstance(customer, Customer):
        owners = {one.customer_id for one in (*customer.addresses, *customer.attributes)}
        if owners - {None, customer.id}:
            return Unreadable(customer.id, "an address or an attribute is of another customer", reason=OUT_OF_FILTER)
    return customer


def read_owner(raw: Raw) -> int | None:
    """Return which customer a row of an address or an attribute names, if it names one."""
    try:
        return schema.decode(raw, _OWNED).customer_id
    except msgspec.DecodeError:
        return None
