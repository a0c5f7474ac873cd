"""The rows of a WooCommerce shop: products and variations, customers, orders with refunds, webhooks; and its clock.

They hold what the database holds; what the REST API makes of it (inheritance, sums, local dates) is in the shapes.
Amounts are exact decimals, prices are texts as the merchant typed them, "" being none.

A shop keeps each date twice: in GMT and in the site's local time of that moment (woocommerce-more.md, Time). A change
of the zone moves no stored local date, so the two drift apart; that is what breaks a search by local dates.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from attrs import define, field, frozen

from daemon.sandbox.chronicle import Chronicle


@frozen
class Event:
    """An announcement: a webhook topic, and the id of the product, order or customer."""

    topic: str
    id: int


@frozen
class Moment:
    """A stored date: in GMT, and as the site's clock showed it then. Both are naive, of whole seconds."""

    gmt: datetime
    local: datetime


@define(eq=False, kw_only=True)
class WooCommerceChronicle(Chronicle[Event]):
    """A shop's clock, zone and listeners."""

    zone: ZoneInfo = field(factory=lambda: ZoneInfo("UTC"))

    def moment(self) -> Moment:
        """Return the present second."""
        gmt = datetime.fromtimestamp(int(self.clock()), UTC).replace(tzinfo=None)
        return Moment(gmt, self.local(gmt))

    def local(self, gmt: datetime) -> datetime:
        """Return the local form of a naive GMT time, by the present zone."""
        return gmt.replace(tzinfo=UTC).astimezone(self.zone).replace(tzinfo=None)

    def set_zone(self, name: str) -> None:
        """Move the site to another time zone, such as `Australia/Sydney`. Stored local dates stay as they are."""
        self.zone = ZoneInfo(name)


TRASH = "trash"
STATUSES = ("publish", "draft", "pending", "private", "future")
"""Statuses of products that are not in the trash."""

BILLING = ("first_name", "last_name", "company", "address_1", "address_2", "city", "postcode", "country", "state")
"""The fields of an address; a billing address also has `email`, both have `phone`."""


@define(kw_only=True)
class Meta:
    """A row of meta data."""

    id: int
    key: str
    value: Any


@define(kw_only=True)
class Attribute:
    """An attribute of a product. `id` is 0 unless it is one of the shop's own; then its slug begins with `pa_`."""

    name: str
    options: list[str]
    id: int = 0
    visible: bool = True
    variation: bool = True

    def slug(self, *, of_variation: bool) -> str:
        """Return the slug; an attribute of one product keeps its name as slug, a variation writes it small."""
        small = self.name.lower().replace(" ", "-")
        if self.id:
            return f"pa_{small}"
        return small if of_variation else self.name


@define(eq=False, kw_only=True)
class Product:
    """A product or, with a parent, a variation. Empty texts of a variation are shown as its parent's."""

    id: int
    name: str
    created: Moment
    modified: Moment
    type: str = "simple"
    status: str = "publish"
    former_status: str = "publish"
    """The status before the trash."""
    slug: str = ""
    sku: str = ""
    description: str = ""
    regular_price: str = ""
    sale_price: str = ""
    weight: str = ""
    manage_stock: bool = False
    stock_quantity: int = 0
    stock_status: str = "instock"
    """The status that counts where stock is not managed."""
    backorders: str = "no"
    menu_order: int = 0
    parent_id: int = 0
    category: str = ""
    image: tuple[int, str] | None = None
    """The image's id, and its address."""
    attributes: list[Attribute] = field(factory=list)
    options: dict[str, str] = field(factory=dict)
    """Of a variation: the option by the attribute's name."""
    meta: list[Meta] = field(factory=list)

    @property
    def price(self) -> str:
        """The price that is in force."""
        return self.sale_price or self.regular_price


@define(eq=False, kw_only=True)
class Customer:
    """A user of the site. The API shows the first of `roles` only."""

    id: int
    email: str
    username: str
    created: Moment
    modified: Moment
    first_name: str = ""
    last_name: str = ""
    roles: list[str] = field(factory=lambda: ["customer"])
    billing: dict[str, str] = field(factory=dict)
    shipping: dict[str, str] = field(factory=dict)
    meta: list[Meta] = field(factory=list)


@define(eq=False, kw_only=True)
class OrderLine:
    """A line of an order or a refund. Totals are net; `subtotal` is before discounts. A refund's are negative."""

    id: int
    name: str
    quantity: int
    total: Decimal
    total_tax: Decimal
    subtotal: Decimal
    subtotal_tax: Decimal
    product_id: int = 0
    variation_id: int = 0
    options: dict[str, str] = field(factory=dict)
    reduced_stock: int = 0
    refunded_item: int = 0


@define(eq=False, kw_only=True)
class Refund:
    """A refund of an order; one without lines is of an amount alone."""

    id: int
    order_id: int
    created: Moment
    amount: Decimal
    reason: str = ""
    kind: str = "partial"
    lines: list[OrderLine] = field(factory=list)


@define(eq=False, kw_only=True)
class Order:
    """An order as it stands. `shipping` and `shipping_tax` are what transport costs, net and its tax."""

    id: int
    status: str
    currency: str
    created: Moment
    modified: Moment
    customer_id: int = 0
    former_status: str = ""
    prices_include_tax: bool = False
    tax_rate: Decimal = Decimal(0)
    billing: dict[str, str] = field(factory=dict)
    address: dict[str, str] = field(factory=dict)
    shipping: Decimal = Decimal(0)
    shipping_tax: Decimal = Decimal(0)
    customer_note: str = ""
    created_via: str = "checkout"
    paid: datetime | None = None
    completed: datetime | None = None
    lines: dict[int, OrderLine] = field(factory=dict)
    fees: list[OrderLine] = field(factory=list)
    """Lines that are no products, such as engraving; of their fields name and totals count."""
    refunds: list[Refund] = field(factory=list)
    notes: list[str] = field(factory=list)
    meta: list[Meta] = field(factory=list)

    @property
    def total_tax(self) -> Decimal:
        """Tax of the lines and of the transport."""
        return self.cart_tax + self.shipping_tax

    @property
    def cart_tax(self) -> Decimal:
        """Tax of the lines and fees."""
        return sum((line.total_tax for line in (*self.lines.values(), *self.fees)), Decimal(0))

    @property
    def total(self) -> Decimal:
        """Total that the customer pays, before refunds."""
        net = sum((line.total for line in (*self.lines.values(), *self.fees)), Decimal(0))
        return net + self.shipping + self.total_tax

    @property
    def refunded(self) -> Decimal:
        """Sum of the refunds."""
        return sum((refund.amount for refund in self.refunds), Decimal(0))


@define(eq=False, kw_only=True)
class Webhook:
    """A registered webhook. The API shows neither its secret nor its failure count."""

    id: int
    topic: str
    delivery_url: str
    created: Moment
    name: str = ""
    status: str = "active"
    secret: str = ""
    modified: Moment | None = None
    failure_count: int = 0
