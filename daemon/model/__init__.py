"""The ids and nouns of the domain as frozen values. Imports nothing else of the daemon.

A *connection* is one store on a *platform*, linked to one SparkLayer *site*. A *change* says that an entity of some
*kind* may have changed; it never carries the new state. `daemon.entities` has the state itself.

Ids are `NewType`s, so that a product's id cannot be passed for a SKU. Beside this module, `outcome` has the result of
one entity, `identifiers` checks ids and credentials as people enter them, `hosts` the hosts of URLs; `operators` has
the holders of tokens, `byte_order_mark` decodes text from outside.
"""

import enum
from typing import Any, NewType, TypeVar

from attrs import field, frozen

ConnectionId = NewType("ConnectionId", int)
"""Surrogate key of a connection. Reconnecting creates a new one, so it is also the connection's generation."""

RunId = NewType("RunId", int)
"""Key of a full sync; later runs have larger ids."""

ExternalId = NewType("ExternalId", str)
"""The platform's id of an entity, as text."""

VariantId = NewType("VariantId", str)
"""The platform's id of a variant, as text."""

AddressId = NewType("AddressId", str)
"""The platform's id of a customer's address, as text."""

CartId = NewType("CartId", str)
"""SparkLayer's id of the cart that became an order: a UUID."""

Sku = NewType("Sku", str)
"""SparkLayer's key of stock and prices; unique in a site."""

EmailKey = NewType("EmailKey", str)
"""Keyed fingerprint of a customer's e-mail address; unique in a site."""

Key = str
"""A value that only one entity of a kind may have in a site: a SKU, or the fingerprint of an e-mail address."""

K = TypeVar("K", bound=Key)


class Kind(enum.StrEnum):
    """Kind of a synced entity. Stock and prices belong to the product."""

    PRODUCTS = "products"
    CUSTOMERS = "customers"
    ORDERS = "orders"
    STORE = "store"


LOGGED_KINDS = frozenset({Kind.PRODUCTS, Kind.CUSTOMERS})
"""Kinds in SparkLayer's sync-log. Issues of the other kinds are shown only by this daemon."""


class Lane(enum.IntEnum):
    """Priority inside a throttle and in the outbox: webhooks go before full syncs and sweeps."""

    LIVE = 0
    BACKFILL = 1


@frozen(repr=False)
class Secret:
    """A text that is never shown: not in `repr`, in a log line or in a traceback."""

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
    """Credentials for SparkLayer's token endpoint (sparklayer.md section 1)."""

    client_id: str
    client_secret: Secret


@frozen(kw_only=True)
class Connection:
    """A connection with its credentials and its store.

    `store` is the settings value of the platform named by `platform`; only that platform reads it.
    `paused`: an operator wants no calls made for it.
    """

    id: ConnectionId
    site: Site
    platform: str
    api_key: ApiKey
    store: Any = field(repr=False)
    paused: bool = False


@frozen
class Change:
    """A possible change of one entity."""

    kind: Kind
    external_id: ExternalId
