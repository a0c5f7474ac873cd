"""The words of the domain as frozen values. Imports nothing of ours.

A *connection* is one store on a *platform* linked to one SparkLayer *site*. A *change* says that an entity of
some *kind* may have changed; it never carries the new state. What a platform's mapping makes of a product is
`Product`: exactly what SparkLayer shall hold, in SparkLayer's words, with the stock and price of each SKU.

Ids are `NewType`s, so that a product's id cannot be passed where a SKU is meant.
"""

import enum
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, NewType

from attrs import field, frozen

ConnectionId = NewType("ConnectionId", int)
"""Surrogate key of a connection. Reconnecting makes a new one, so it doubles as the connection's generation."""

RunId = NewType("RunId", int)
"""Key of a full sync; later runs have larger ids."""

ExternalId = NewType("ExternalId", str)
"""The platform's id of an entity, as text."""

VariantId = NewType("VariantId", str)
"""The platform's id of a variant, as text."""

Sku = NewType("Sku", str)
"""What SparkLayer keys stock and prices by; unique in a site."""


class Kind(enum.StrEnum):
    """What is synced. Stock and prices belong to the product."""

    PRODUCTS = "products"
    CUSTOMERS = "customers"
    ORDERS = "orders"
    STORE = "store"


EntityOutcome = Literal["unchanged", "written", "removed", "rejected", "retried", "parked", "broken"]
"""What became of an entity that was worked on; a metric's label."""


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


@frozen(kw_only=True)
class Variant:
    """A sellable unit as SparkLayer shall hold it."""

    external_id: VariantId
    sku: Sku
    status: Status
    position: int
    weight_in_grams: Decimal | None = None
    cart_image_url: str | None = None
    options: tuple[Option, ...] = ()


@frozen(kw_only=True)
class Product:
    """A product as SparkLayer shall hold it.

    `stock` has an integer level for each SKU whose stock is tracked, `prices` the price of one unit of each SKU
    in the store's currency. Both only name SKUs of `variants`.
    """

    external_id: ExternalId
    title: str
    slug: str
    variants: tuple[Variant, ...]
    stock: Mapping[Sku, int]
    prices: Mapping[Sku, Decimal]


@frozen(kw_only=True)
class Problem:
    """One thing the merchant must fix at an entity; `message` names it and says how."""

    code: str
    message: str


@frozen(kw_only=True)
class Mapped:
    """What a platform's mapping makes of one entity.

    `value` is None when the entity must not be in SparkLayer. `name` is what a person calls the entity (a SKU or
    a title), `url` where it is edited in the platform's control panel; both are shown in the sync-log.
    """

    value: Product | None
    problems: tuple[Problem, ...] = ()
    name: str = ""
    url: str = ""


@frozen(kw_only=True)
class StoreFacts:
    """What mapping needs to know of the store as a whole.

    `weight_unit` is the platform's own word; the platform's mapping knows what it weighs in grams.
    """

    currency: str
    weight_unit: str
    url: str = ""
    """Where the control panel is, without a trailing slash; empty when unknown."""
    locations: int = 1
