"""The words of the domain as frozen values. Imports nothing of ours.

A *connection* is one store on a *platform* linked to one SparkLayer *site*. A *change* says that an entity of
some *kind* may have changed; it never carries the new state. What a platform's mapping makes of an entity is its
*value*: a `Product`, `Customer`, `Order` or the `StoreFacts`, exactly what SparkLayer shall hold, in its words.

Ids are `NewType`s, so that a product's id cannot be passed where a SKU is meant.
"""

import enum
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Generic, NewType, TypeVar

from attrs import field, frozen

ConnectionId = NewType("ConnectionId", int)
"""Surrogate key of a connection. Reconnecting makes a new one, so it doubles as the connection's generation."""

RunId = NewType("RunId", int)
"""Key of a full sync; later runs have larger ids."""

ExternalId = NewType("ExternalId", str)
"""The platform's id of an entity, as text."""

VariantId = NewType("VariantId", str)
"""The platform's id of a variant, as text."""

EmailKey = NewType("EmailKey", str)
"""The keyed print of a customer's e-mail address, which only one customer of a site may have."""

Key = str
"""What only one entity of a kind may have in a site: a product's SKU, or the print of a customer's e-mail."""

K = TypeVar("K", bound=Key)

Sku = NewType("Sku", str)
"""What SparkLayer keys stock and prices by; unique in a site."""

AddressId = NewType("AddressId", str)
"""The platform's id of a customer's address, as text."""

CartId = NewType("CartId", str)
"""SparkLayer's id of the cart that became an order: a UUID."""


class Kind(enum.StrEnum):
    """What is synced. Stock and prices belong to the product."""

    PRODUCTS = "products"
    CUSTOMERS = "customers"
    ORDERS = "orders"
    STORE = "store"


LOGGED_KINDS = frozenset({Kind.PRODUCTS, Kind.CUSTOMERS})
"""The kinds that SparkLayer's sync-log knows; what is wrong with the others is shown here only."""


class Lane(enum.IntEnum):
    """Priority inside a throttle and in the outbox: webhooks go before full syncs and sweeps."""

    LIVE = 0
    BACKFILL = 1


class Status(enum.StrEnum):
    """Whether SparkLayer sells a variant (sparklayer.md section 2). Only `live` shows."""

    LIVE = "live"
    SUSPENDED = "suspended"
    DISCONTINUED = "discontinued"


@frozen(repr=False)
class Secret:
    """A text that never shows itself: not in `repr`, not in a log line, not in a traceback."""

    _text: str

    def reveal(self) -> str:
        """Return the text, at the one place where it is sent or compared."""
        return self._text

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._text)


@frozen
class Site:
    """A connection's identity: a SparkLayer site in one of its environments."""

    env: str
    id: str

    def __str__(self) -> str:
        return f"{self.env}/{self.id}"


@frozen(kw_only=True)
class ApiKey:
    """What SparkLayer's token is asked for with (sparklayer.md section 1)."""

    client_id: str
    client_secret: Secret


@frozen(kw_only=True)
class Connection:
    """A connection as it is stored and worked on.

    `store` is the settings value of the platform named by `platform`; only that platform reads it.
    """

    id: ConnectionId
    site: Site
    platform: str
    api_key: ApiKey
    store: Any = field(repr=False)


@frozen
class Change:
    """`external_id` of `kind` may have changed."""

    kind: Kind
    external_id: ExternalId


@frozen
class Option:
    """One option of a variant, such as Colour: Red. One per group."""

    group: str
    value: str


@frozen
class Money:
    """An exact amount of a currency (ISO 4217)."""

    amount: Decimal
    currency: str


@frozen(kw_only=True)
class OrderRules:
    """How a customer group may order a variant; None: as SparkLayer does by default (sparklayer.md section 2)."""

    customer_group: str
    pack_size: int | None = None
    reserve_stock_quantity: int | None = None
    min_order_quantity: int | None = None
    max_order_quantity: int | None = None
    min_order_parent_quantity: int | None = None
    max_order_parent_quantity: int | None = None
    display: bool | None = None
    sell: bool | None = None


@frozen(kw_only=True)
class Variant:
    """A sellable unit as SparkLayer shall hold it. `settings` has one entry for a customer group."""

    external_id: VariantId
    sku: Sku
    status: Status
    position: int
    weight_in_grams: Decimal | None = None
    cart_image_url: str | None = None
    options: tuple[Option, ...] = ()
    rrp: Money | None = None
    settings: tuple[OrderRules, ...] = ()


@frozen
class Stock:
    """How many of a SKU there are, when more come, and how far below zero it may be sold (`min_level` -9: nine)."""

    level: int
    restock_date: date | None = None
    min_level: int | None = None


@frozen(kw_only=True)
class Product:
    """A product as SparkLayer shall hold it.

    `stock` has the stock of each SKU whose stock is tracked, `prices` the price of one unit of each SKU in the
    store's currency. Both only name SKUs of `variants`.
    """

    external_id: ExternalId
    title: str
    slug: str
    variants: tuple[Variant, ...]
    stock: Mapping[Sku, Stock]
    prices: Mapping[Sku, Decimal]


@frozen(kw_only=True)
class Address:
    """Where something is sent or billed to. Texts may be empty but for the street, the city and the country.

    `country_code` is ISO 3166: two letters, or three where the platform says so.
    """

    address_line1: str
    city: str
    country_code: str
    first_name: str = ""
    last_name: str = ""
    company: str = ""
    address_line2: str = ""
    region_code: str = ""
    postal_code: str = ""
    phone: str = ""


@frozen(kw_only=True)
class Credit:
    """What a customer may buy on account; amounts in `currency`, or in the customer's own when that is None.

    `net_terms` is in how many days an invoice is to be paid.
    """

    limit: Decimal
    balance: Decimal | None = None
    currency: str | None = None
    net_terms: int | None = None


@frozen(kw_only=True)
class Customer:
    """A B2B customer as the platform knows it; `parent` is the customer whose sub-account it is.

    Fields of None, or empty, from `group` on are not the platform's: SparkLayer keeps what it has there.
    """

    external_id: ExternalId
    email: str
    first_name: str = ""
    last_name: str = ""
    company_name: str = ""
    addresses: Mapping[AddressId, Address]
    group: str | None = None
    accounting_id: str | None = None
    sales_agent_groups: tuple[str, ...] = ()
    price_lists: tuple[str, ...] = ()
    discount_percentage: Decimal | None = None
    payment_on_account: Credit | None = None
    parent: ExternalId | None = None


class PackageType(enum.StrEnum):
    """What has become of a part of an order (inferred, sparklayer.md section 6)."""

    INCOMING = "incoming"
    PROCESSING = "processing"
    ON_HOLD = "on_hold"
    SHIPPED = "shipped"
    RETURNED = "returned"
    CANCELLED = "cancelled"
    COMPLETE = "complete"


@frozen(kw_only=True)
class OrderLine:
    """So many pieces of one line of an order; amounts are for all of them, in the order's currency."""

    external_id: str
    name: str
    sku: Sku | None
    quantity: int
    net: Decimal
    tax: Decimal
    discount: Decimal = Decimal(0)
    options: tuple[Option, ...] = ()


@frozen(kw_only=True)
class Shipment:
    """Who carries a package, and how to follow it."""

    carrier: str = ""
    tracking_number: str = ""
    tracking_url: str = ""


@frozen(kw_only=True)
class Package:
    """A part of an order that has one fate. `shipping` is what its transport costs: net and tax."""

    type: PackageType
    lines: tuple[OrderLine, ...]
    address: Address | None = None
    method: str = ""
    shipping: tuple[Decimal, Decimal] | None = None
    shipment: Shipment | None = None


@frozen(kw_only=True)
class Order:
    """What the platform knows of an order that was placed through SparkLayer.

    `visible` is the number the customer sees; `paid` None means that the platform does not know.
    """

    external_id: ExternalId
    cart_id: CartId
    visible: str
    customer: ExternalId | None
    placed: datetime
    updated: datetime
    currency: str
    packages: tuple[Package, ...]
    billing_address: Address | None = None
    paid: Decimal | None = None
    tax: Decimal | None = None


@frozen(kw_only=True)
class StoreFacts:
    """What mapping needs to know of the store as a whole; also the value of the kind `store`.

    `weight_unit` is the platform's own word; the platform's mapping knows what it weighs in grams.
    """

    currency: str
    weight_unit: str
    url: str = ""
    """Where the control panel is, without a trailing slash; empty when unknown."""
    locations: int = 1
    tax_inclusive: bool = False
    """Whether prices are entered with tax."""


V = TypeVar("V", Product, Customer, Order, StoreFacts)
"""What SparkLayer shall hold of an entity: its kind's value."""


@frozen(kw_only=True)
class Issue:
    """One thing the merchant must fix at an entity; `message` names it and says how."""

    code: str
    message: str


@frozen(kw_only=True)
class Mapped(Generic[V]):
    """What a platform's mapping makes of one entity.

    `value` is None when the entity must not be in SparkLayer. `name` is what a person calls the entity (a SKU or
    a title), `url` where it is edited in the platform's control panel; both are shown in the sync-log. `reasons` are
    sentences for a person who asks why it is not in SparkLayer, or does not show there, though nothing is to be fixed.
    """

    value: V | None
    issues: tuple[Issue, ...] = ()
    name: str = ""
    url: str = ""
    reasons: tuple[str, ...] = ()


@frozen(kw_only=True)
class PulledPage:
    """Entities as JSON, for SparkLayer to pull; `next_page` asks for the next page (None: there is none)."""

    entities: Sequence[bytes]
    next_page: str | None
