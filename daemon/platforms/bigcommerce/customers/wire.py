"""A customer as the API tells it: only the fields we use."""

from msgspec import Raw, Struct
from msgspec.json import Decoder

from daemon.platforms.bigcommerce.odd import Shape
from daemon.platforms.bigcommerce.wire import Listing, Odd, Unreadable


class Owned(Struct, frozen=True, kw_only=True):
    """Something of a customer; whose it is need not be told where it is included."""

    customer_id: int | None = None


class Address(Owned, frozen=True):
    """Where something is sent; every text may be empty, and the country too."""

    id: int
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    state_or_province: str | None = None
    postal_code: str | None = None
    country_code: str | None = None
    phone: str | None = None


class Attribute(Owned, frozen=True):
    """The value of an attribute; its name is told elsewhere."""

    attribute_id: int
    attribute_value: str | int | float | None = None


class Customer(Struct, frozen=True):
    """A customer. At most 10 `addresses` and `attributes` are included; the counts tell how many there are.

    Both must be there: they are missing when the server ignored `include`, and that must not read as "none".
    """

    id: int
    addresses: list[Address]
    attributes: list[Attribute]
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    customer_group_id: int | None = None
    address_count: int | None = None
    attribute_count: int | None = None


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


ADDRESSES = Decoder(Listing[Address])
ATTRIBUTES = Decoder(Listing[Attribute])
NAMES = Decoder(Listing[AttributeName])
GROUPS = Decoder(list[Group])

_CUSTOMER = Shape(Customer)


def read_customer(raw: Raw) -> Customer | Unreadable | Odd:
    """Decode one customer. Raises Retry when not even its id can be told."""
    return _CUSTOMER.read(raw)
