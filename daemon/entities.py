"""The entities as SparkLayer should hold them, in its words. Frozen values, without a clock and without I/O.

A platform's mapping turns an entity of its own into a `Mapped`: the value of its kind (`Product`, `Customer`, `Order`
or `StoreFacts`) and the issues that the merchant must fix. The engine compares the value with the ledger and sends it.
"""

import enum
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Generic, TypeVar

from attrs import frozen

from daemon.model import AddressId, CartId, ExternalId, Sku, VariantId


class Status(enum.StrEnum):
    """Status of a variant in SparkLayer (sparklayer.md section 2). Only `live` variants are shown."""

    LIVE = "live"
    SUSPENDED = "suspended"
    DISCONTINUED = "discontinued"


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
    """Order quantities of a variant for a customer group; None is SparkLayer's default (sparklayer.md section 2)."""

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
    """A sellable unit. `settings` has at most one entry for each customer group.

    `unreadable` names the fields whose value on the platform cannot be read, as far as it may be left out: SparkLayer
    keeps what it has of them, and a new variant gets what is here.
    """

    external_id: VariantId
    sku: Sku
    status: Status
    position: int
    weight_in_grams: Decimal | None = None
    cart_image_url: str | None = None
    options: tuple[Option, ...] = ()
    rrp: Money | None = None
    settings: tuple[OrderRules, ...] = ()
    unreadable: tuple[str, ...] = ()


@frozen
class StockLevel:
    """Pieces of a SKU in stock, the next delivery, and the lowest level to sell to (-9: nine below zero).

    `unreadable` names the fields in SparkLayer whose value on the platform cannot be read: SparkLayer keeps its own.
    """

    level: int
    restock_date: date | None = None
    min_level: int | None = None
    unreadable: tuple[str, ...] = ()


@frozen(kw_only=True)
class Product:
    """A product with its variants.

    `stock` has each SKU whose stock is tracked, `prices` the price of one unit of each SKU in the store's currency.
    SparkLayer keeps the price of a SKU in `unreadable_prices`. All three have only SKUs of `variants`.
    """

    external_id: ExternalId
    title: str
    slug: str
    variants: tuple[Variant, ...]
    stock: Mapping[Sku, StockLevel]
    prices: Mapping[Sku, Decimal]
    unreadable_prices: tuple[Sku, ...] = ()


@frozen(kw_only=True)
class Address:
    """A shipping or billing address. Only the street, the city and the country must not be empty.

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
    """A customer's credit limit. Amounts are in `currency`; None is the customer's own currency.

    `net_terms` is the number of days in which an invoice must be paid.
    """

    limit: Decimal
    balance: Decimal | None = None
    currency: str | None = None
    net_terms: int | None = None


@frozen(kw_only=True)
class Customer:
    """A B2B customer as the platform knows it. A sub-account names its main account as `parent`.

    The platform does not own fields, from `group` on, that are None or empty: SparkLayer keeps its values there. So it
    does of the `unreadable` fields and addresses: the platform has a value that cannot be read.
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
    unreadable: tuple[str, ...] = ()
    """Fields by their names in SparkLayer."""
    unreadable_addresses: tuple[AddressId, ...] = ()


class PackageType(enum.StrEnum):
    """State of a part of an order (inferred, sparklayer.md section 6)."""

    INCOMING = "incoming"
    PROCESSING = "processing"
    ON_HOLD = "on_hold"
    SHIPPED = "shipped"
    RETURNED = "returned"
    CANCELLED = "cancelled"
    COMPLETE = "complete"


@frozen(kw_only=True)
class OrderLine:
    """Pieces of one line of an order. Amounts are for all pieces, in the order's currency."""

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
    """Carrier of a package, and its tracking."""

    carrier: str = ""
    tracking_number: str = ""
    tracking_url: str = ""


@frozen(kw_only=True)
class Package:
    """A part of an order in one state. `shipping` is the shipping cost: net and tax."""

    type: PackageType
    lines: tuple[OrderLine, ...]
    address: Address | None = None
    method: str = ""
    shipping: tuple[Decimal, Decimal] | None = None
    shipment: Shipment | None = None


@frozen(kw_only=True)
class Order:
    """An order that was placed through SparkLayer, as the platform knows it.

    `visible` is the number that the customer sees. `paid` is None if the platform does not know.
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
    """Facts about the whole store that mapping needs; also the value of the kind `store`.

    `weight_unit` is the platform's own word, which its mapping converts to grams.
    """

    currency: str
    weight_unit: str
    url: str = ""
    """Address of the control panel, without a trailing slash; empty if unknown."""
    locations: int = 1
    tax_inclusive: bool = False
    """True if prices are entered with tax."""


V = TypeVar("V", Product, Customer, Order, StoreFacts)
"""Value of an entity: one class for each kind."""


@frozen(kw_only=True)
class Issue:
    """One problem of an entity that the merchant must fix; `message` names it and the remedy."""

    code: str
    message: str


@frozen(kw_only=True)
class Mapped(Generic[V]):
    """Result of a platform's mapping of one entity.

    `value` is None if the entity must not be in SparkLayer. The sync-log shows `name` (a SKU or a title) and `url`, the
    entity's page in the platform's control panel. `reasons` are sentences for a person who asks why the entity is not
    in SparkLayer, or not visible there, although there is nothing to fix.
    """

    value: V | None
    issues: tuple[Issue, ...] = ()
    name: str = ""
    url: str = ""
    reasons: tuple[str, ...] = ()


@frozen(kw_only=True)
class PulledPage:
    """Entities as JSON, for SparkLayer to pull. `next_page` is the cursor of the next page, or None."""

    entities: Sequence[bytes]
    next_page: str | None
