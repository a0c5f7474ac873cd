"""A business as such: what it sells, who buys, and what was ordered. Knows no platform, so any store can be made of it.

Prices are in the company's currency, weights in pounds, times in seconds since the epoch. Attributes are SparkLayer's
keys and texts (sparklayer.md section 11), wherever a platform keeps such things.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, frozen

RETAIL, GUESTS, WHOLESALE = 1, 2, 3
"""The groups of customers, by their numbers; 0 is none."""
GROUPS = {RETAIL: "Retail", GUESTS: "Guests", WHOLESALE: "Wholesale"}

Texts = Mapping[str, str]


@frozen(kw_only=True)
class Variant:
    """A variant. A price or weight that is None is the product's."""

    sku: str
    options: Texts = field(factory=dict)
    price: float | None = None
    weight: float | None = None
    stock: int = 0
    picture: str = ""
    attributes: Texts = field(factory=dict)


@frozen(kw_only=True)
class Product:
    """A product. A single variant without options makes it a simple one."""

    title: str
    variants: Sequence[Variant]
    description: str = ""
    category: str = ""
    price: float = 0
    weight: float = 0
    tracked: bool = True
    visible: bool = True
    attributes: Texts = field(factory=dict)
    foreign: Texts = field(factory=dict)
    """Attributes of another app, with the same keys; they mean nothing here."""


@frozen(kw_only=True)
class Customer:
    """A customer. Addresses have street, street2, city, state, postcode, country and country_code."""

    email: str
    first_name: str
    last_name: str
    company: str = ""
    phone: str = ""
    group: int = 0
    addresses: Sequence[Texts] = ()
    attributes: Texts = field(factory=dict)


@frozen(kw_only=True)
class Parcel:
    """A parcel with so many `pieces` of the order's first line; None: with everything left."""

    carrier: str
    tracking: str
    link: str = ""
    parts_of: int | None = None


@frozen(kw_only=True)
class Order:
    """An order of the n-th customer, 0 being a guest, and what became of it until `settled`.

    A line has a `sku`, or a `name` where it is no product, and may have quantity, price, discount and `to` (shipping,
    pickup). `returned` has the pieces that came back, line by line.
    """

    customer: int
    lines: Sequence[Mapping[str, Any]]
    placed: int
    settled: int
    cart: str | None = None
    notes: str = ""
    tax_rate: str = "0"
    shipping: str = "0"
    unpaid: bool = False
    parcels: Sequence[Parcel] = ()
    returned: Sequence[int] = ()
    cancelled: bool = False
    archived: bool = False


@frozen(kw_only=True)
class Company:
    """A business that opened its shop at `opened`."""

    name: str
    products: Sequence[Product]
    customers: Sequence[Customer] = ()
    orders: Sequence[Order] = ()
    currency: str = "USD"
    opened: int = 1_767_225_600  # 2026-01-01T00:00:00Z
