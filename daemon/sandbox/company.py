"""A business as such: what it sells, who buys, and what was ordered. Knows no platform, so any store can be made of it.

Prices are in the company's currency, weights in pounds, times in seconds since the epoch. Attributes are SparkLayer's
keys and texts (sparklayer.md section 11), wherever a platform keeps such things; options are texts by their names.
"""

from daemon.sandbox.record import Record, record

RETAIL, GUESTS, WHOLESALE = 1, 2, 3
"""The groups of customers, by their numbers; 0 is none."""
GROUPS = {RETAIL: "Retail", GUESTS: "Guests", WHOLESALE: "Wholesale"}


@record("sku", options={}, price=None, weight=None, stock=0, picture="", attributes={})
class Variant(Record):
    """A variant. A price or weight that is None is the product's."""


@record(
    "title variants",
    description="",
    category="",
    price=0,
    weight=0,
    tracked=True,
    visible=True,
    attributes={},
    foreign={},  # attributes of another app, with the same keys; they mean nothing here
)
class Product(Record):
    """A product. A single variant without options makes it a simple one."""


@record("email first_name last_name", company="", phone="", group=0, addresses=(), attributes={})
class Customer(Record):
    """A customer. Addresses have street, street2, city, state, postcode, country and country_code."""


@record("carrier tracking", link="", parts_of=None)
class Parcel(Record):
    """A parcel with `parts_of` pieces of the first line of the order; None: with everything left."""


@record(
    "customer lines placed settled",
    cart=None,
    notes="",
    tax_rate="0",
    shipping="0",
    unpaid=False,
    parcels=(),
    returned=(),
    cancelled=False,
    archived=False,
)
class Order(Record):
    """An order of the n-th customer, 0 being a guest, and what became of it until `settled`.

    A line has a `sku`, or a `name` where it is no product, and may have quantity, price, discount and `to` (shipping,
    pickup). `returned` has the pieces that came back, line by line.
    """


@record("name products", customers=(), orders=(), currency="USD", opened=1_767_225_600)
class Company(Record):
    """A business that opened its shop at `opened`, by default 2026-01-01."""
