"""A customer as the API returns it: only the fields that we use. Empty fields are empty texts, never null."""

from msgspec import Struct

from daemon.platforms.shared.rows import Shape
from daemon.platforms.woocommerce import values
from daemon.platforms.woocommerce.values import Meta


class Address(values.Address, frozen=True, kw_only=True):
    """The billing or the shipping address."""

    address_1: str
    city: str
    country: str


class Customer(Struct, frozen=True, kw_only=True):
    """A customer. `role` is only the first of its roles."""

    id: int
    email: str
    first_name: str
    last_name: str
    role: str
    billing: Address
    shipping: Address
    meta_data: list[Meta]


FIELDS = ",".join(Customer.__struct_encode_fields__)
CUSTOMERS: Shape[Customer] = Shape(Customer)
