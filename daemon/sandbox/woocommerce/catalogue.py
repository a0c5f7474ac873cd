"""The rows of a shop and its settings, and how an edit is dated and announced.

Products, variations, orders and refunds draw their ids from one sequence, as WordPress's posts do; users, meta data,
lines and webhooks have their own. Knows neither which edits there are (see `shop`) nor HTTP.

Rows hold what the database holds; what the REST API makes of it (inheritance, sums, local dates) is in the shapes.
Amounts are exact decimals, prices are texts as the merchant typed them, "" being none.

A shop keeps each date twice: in GMT and in the site's local time of that moment (woocommerce-more.md, Time). A change
of the zone moves no stored local date, so the two drift apart; that is what breaks a search by local dates.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from attrs import define, field, frozen

from daemon.sandbox.chronicle import Chronicle
from daemon.sandbox.record import Record, record


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


@record("id key value")
class Meta(Record):
    """A row of meta data."""


@record("name options", id=0, visible=True, variation=True)
class Attribute(Record):
    """An attribute of a product. `id` is 0 unless it is one of the shop's own; then its slug begins with `pa_`."""

    def slug(self, *, of_variation: bool) -> str:
        """Return the slug; an attribute of one product keeps its name as slug, a variation writes it small."""
        small = self.name.lower().replace(" ", "-")
        if self.id:
            return f"pa_{small}"
        return str(small if of_variation else self.name)


@record(
    "id name created modified",
    type="simple",
    status="publish",
    former_status="publish",  # the status before the trash
    slug="",
    sku="",
    description="",
    regular_price="",
    sale_price="",
    weight="",
    manage_stock=False,
    stock_quantity=0,
    stock_status="instock",  # counts where stock is not managed
    backorders="no",
    menu_order=0,
    parent_id=0,
    category="",
    image=None,  # its id and its address
    attributes=[],
    options={},  # of a variation: the option by the attribute's name
    meta=[],
)
class Product(Record):
    """A product or, with a parent, a variation. Empty texts of a variation are shown as its parent's."""

    @property
    def price(self) -> str:
        """The price that is in force."""
        return str(self.sale_price or self.regular_price)


@record("id email username created modified roles", first_name="", last_name="", billing={}, shipping={}, meta=[])
class Customer(Record):
    """A user of the site. The API shows the first of `roles` only."""


@record(
    "id name quantity total total_tax subtotal subtotal_tax",
    product_id=0,
    variation_id=0,
    options={},
    reduced_stock=0,
    refunded_item=0,
)
class OrderLine(Record):
    """A line of an order or a refund. Totals are net; `subtotal` is before discounts. A refund's are negative."""


@record("id order_id created amount", reason="", kind="partial", lines=[])
class Refund(Record):
    """A refund of an order; one without lines is of an amount alone."""


@record(
    "id status currency created modified",
    customer_id=0,
    former_status="",
    prices_include_tax=False,
    tax_rate=Decimal(0),
    billing={},
    address={},
    shipping=Decimal(0),
    shipping_tax=Decimal(0),
    customer_note="",
    created_via="checkout",
    paid=None,
    completed=None,
    lines={},
    fees=[],  # lines that are no products, such as engraving; of their fields name and totals count
    refunds=[],
    notes=[],
    meta=[],
)
class Order(Record):
    """An order as it stands. `shipping` and `shipping_tax` are what transport costs, net and its tax."""

    @property
    def total_tax(self) -> Decimal:
        """Tax of the lines and of the transport."""
        return self.cart_tax + Decimal(self.shipping_tax)

    @property
    def cart_tax(self) -> Decimal:
        """Tax of the lines and fees."""
        return sum((line.total_tax for line in (*self.lines.values(), *self.fees)), Decimal(0))

    @property
    def total(self) -> Decimal:
        """Total that the customer pays, before refunds."""
        net = sum((line.total for line in (*self.lines.values(), *self.fees)), Decimal(0))
        return net + Decimal(self.shipping) + self.total_tax

    @property
    def refunded(self) -> Decimal:
        """Sum of the refunds."""
        return sum((refund.amount for refund in self.refunds), Decimal(0))


@record("id topic delivery_url created", name="", status="active", secret="", modified=None, failure_count=0)
class Webhook(Record):
    """A registered webhook. The API shows neither its secret nor its failure count."""


ROLES = ("administrator", "editor", "author", "contributor", "subscriber", "customer", "shop_manager")
"""Roles of every shop (recordings, index)."""


@define(eq=False, kw_only=True)
class Catalogue(WooCommerceChronicle):
    """The shop's settings and products."""

    name: str = "Sandbox Shop"
    home: str = "http://shop.example"
    """The site's address, without a slash at the end; the stand-in sets it to where it listens."""
    currency: str = "USD"
    decimals: int = 2
    """Number of decimals of shown prices, and of order amounts where `dp` is not given."""
    weight_unit: str = "lbs"
    tax_inclusive: bool = False
    hpos: bool = True
    """High-performance order storage. Without it orders are posts, and much of them moves no date."""
    roles: list[str] = field(factory=lambda: list(ROLES))
    products: dict[int, Product] = field(factory=dict, repr=False)
    """Products and variations, by id and in the order of ids."""
    tops: dict[int, Product] = field(factory=dict, repr=False)
    """Those of `products` that are no variations."""
    variations: dict[int, Product] = field(factory=dict, repr=False)
    terms: dict[str, dict[str, str]] = field(factory=dict, repr=False)
    """Of each attribute of the shop: the shown name of a term, where it was renamed."""
    _children: dict[int, list[int]] = field(factory=lambda: defaultdict(list), repr=False)
    _sequences: dict[str, Iterator[int]] = field(factory=lambda: defaultdict(lambda: count(1)), repr=False)

    def new_id(self, kind: str = "post") -> int:
        """Return the next id of a kind: post, user, meta, line, webhook."""
        return next(self._sequences[kind])

    def product(self, product_id: int) -> Product:
        """Return a product or variation, also one in the trash. Raises KeyError."""
        return self.products[product_id]

    def variations_of(self, product_id: int, *, trashed: bool = False) -> list[Product]:
        """Return the variations of a product by id, those in the trash or the others."""
        children = (self.products[child] for child in self._children.get(product_id, ()))
        return [child for child in children if (child.status == TRASH) is trashed]

    def by_sku(self, sku: str) -> Product:
        """Return the product or variation with `sku` of its own, not inherited. Raises KeyError."""
        for product in self.products.values():
            if product.sku == sku:
                return product
        raise KeyError(sku)

    def stock_keeper(self, product: Product) -> Product | None:
        """Return the holder of a product's stock: itself or its variable product; None if stock is not managed."""
        if product.manage_stock:
            return product
        parent = self.products.get(product.parent_id)
        return parent if parent is not None and parent.manage_stock else None

    def put(self, product: Product) -> None:
        """Place a ready product without announcing it."""
        self.products[product.id] = product
        (self.variations if product.parent_id else self.tops)[product.id] = product
        if product.parent_id:
            self._children[product.parent_id].append(product.id)

    def drop(self, product_id: int) -> None:
        """Remove a product with its variations without announcing it."""
        for child in self._children.pop(product_id, ()):
            del self.products[child], self.variations[child]
        product = self.products.pop(product_id)
        self.tops.pop(product_id, None)
        if product.parent_id:
            del self.variations[product_id]
            self._children[product.parent_id].remove(product_id)

    def write_meta(self, rows: list[Meta], key: str, value: Any) -> None:
        """Set the value of a key among `rows`; None removes it."""
        row = next((row for row in rows if row.key == key), None)
        if row is None and value is not None:
            rows.append(Meta(id=self.new_id("meta"), key=key, value=value))
        elif row is not None and value is None:
            rows.remove(row)
        elif row is not None:
            row.value = value

    def touch(self, product: Product, *announced: Event, silent: bool) -> None:
        """Date an edit, a variation's also on its parent (recorded), and announce it."""
        if self.stamping:
            product.modified = self.moment()
            if parent := self.products.get(product.parent_id):
                parent.modified = product.modified
        self.announce(*announced, silent=silent)
