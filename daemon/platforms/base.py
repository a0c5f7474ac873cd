"""The protocol a platform's adapter fulfils, and the values that cross it.

One folder below `daemon/platforms` is one platform. The folder's `__init__` has a constant `PLATFORM`, a
`PlatformType`; nothing else of the folder is known outside. Adding a platform touches that folder alone.

The engine asks an adapter in whole pages and whole lists of ids, never for one entity where the platform can
answer for many: an adapter turns that into as few calls as its API allows. An `Entity` is opaque to the engine:
it is read by one call and mapped by `Platform.map`, which is pure.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from attrs import field, frozen

from daemon.entities import Mapped, StoreFacts
from daemon.errors import Failure
from daemon.model import Change, ExternalId, Kind, Lane
from daemon.platforms.adapter_state import AdapterState
from daemon.transport.client import Observe
from daemon.transport.http import Transport
from daemon.transport.throttle import Limiter

STORE = ExternalId("store")
"""The id of the one entity of the kind `store`."""

BAD_ID = "bad_id"
"""The reason of the Rejected that `read_one` raises for a text which can be no id of the platform."""

UNCACHED = ""
"""The cursor of an enumeration from the beginning beside those that the engine relies on."""


@frozen
class Entity:
    """One entity as the platform answered it; `content` is the adapter's own."""

    external_id: ExternalId
    content: Any = field(repr=False, eq=False)


MOST_FOUND = 50
"""Entities that `find` returns at most."""


@frozen
class Match:
    """An entity that somebody calls so: `by` names the field, such as "SKU"; `name` is the store's, for the asker."""

    external_id: ExternalId
    by: str
    name: str = field(default="", repr=False)


@frozen(kw_only=True)
class Page:
    """A page of an enumeration. `cursor` starts the next one; None ends the enumeration.

    A cursor is the adapter's own short text; it outlives restarts, so it must not depend on the process.
    """

    entities: Sequence[Entity]
    cursor: str | None


@frozen(kw_only=True)
class Delivery:
    """What a verified webhook said. No changes and `known` false: a scope we do not know, accepted and counted."""

    changes: tuple[Change, ...]
    scope: str
    known: bool = True
    stale: bool = False
    """The signed timestamp is older than five minutes: a redelivery, counted."""


class WebhookReader(Protocol):
    """Verifies and reads webhooks of one connection; pure, so that the listener can call it on its hot path."""

    def verify(self, headers: Mapping[bytes, bytes], body: bytes) -> bool:
        """Whether the sender knows the secrets. `headers` has lower-case names. Constant time, before parsing."""
        ...

    def read(self, headers: Mapping[bytes, bytes], body: bytes) -> Delivery:
        """Decode a verified body. Raises ValueError with one line for the sender when it is not what was agreed."""
        ...


@frozen(kw_only=True)
class Registration:
    """How webhooks are registered: of all scopes that are wanted, `registered` and `missing` ones.

    `missing` says why, in the platform's words; "" where it was not asked yet. `kinds` are those that webhooks may have
    been missing of until now: something of theirs was made, mended or switched on, or perhaps was. `mended` counts the
    changes, those at earlier destinations included. `fresh`: before, none of ours was there. `failure` ended the
    registering before all was tried, or is that of a scope which may be registered later: it is to be tried again.
    """

    registered: int = 0
    missing: Mapping[str, str] = field(factory=dict)
    kinds: frozenset[Kind] = frozenset()
    mended: int = 0
    fresh: bool = False
    failure: Failure | None = None


Announce = Callable[[Registration], Awaitable[None]]


async def tell_nobody(_found: Registration) -> None:
    """Announce nothing."""


class Platform(Protocol):
    """One store, as the engine sees it. Every method may raise the failures of `daemon.errors`.

    What is said here is tried on every adapter by `tests/conformance`. Calls may be cancelled anywhere, and run side by
    side; no text of an adapter, whatever it quotes, shows a secret of its settings.
    """

    def batch(self, kind: Kind) -> int:
        """How many entities of a kind `read` takes at a time, as few calls as the API allows."""
        ...

    limiter: Limiter
    """The throttle of the store's API, shown in /metrics and /admin/status."""

    async def facts(self) -> StoreFacts:
        """Read what mapping needs to know of the store as a whole."""
        ...

    async def page(self, kind: Kind, cursor: str | None) -> Page:
        """Read the page of `kind` that `cursor` starts (None: the first), in the backfill lane.

        What stands in the store from the first page to the last comes exactly once, whatever comes, goes or changes
        meanwhile; a page that cannot be read whole is a failure. But what belongs to one entity and cannot be read,
        such as its shipments, is the failure of that entity, which `map` raises. The first page of a kind also reads
        anew whatever the adapter remembers for it; the cursor `BESIDE` starts too, but leaves that alone. The kind
        `store` has one entity: its id is `STORE`, its content the `StoreFacts`.
        """
        ...

    async def changed_since(self, kind: Kind, since: float, cursor: str | None) -> Page:
        """Read a page of what changed at or after `since` (seconds since the epoch), in the backfill lane.

        More may come, and more than once, but nothing that changed is left out: also not when an earlier call failed,
        or when it was read by its id in between.
        """
        ...

    async def read(self, kind: Kind, ids: Sequence[ExternalId], lane: Lane) -> Mapping[ExternalId, Entity]:
        """Read at most `batch` entities. What the platform leaves out is left out: it proves nothing.

        What is known to be none of ours, without asking for it, may come as an entity that maps to nothing.
        An id may stand for something that belongs to an entity, such as a variant's metafield, where a webhook tells
        no more: then the answer has, under that id, an entity with its own `external_id`, which the engine looks at
        next.
        """
        ...

    async def read_one(self, kind: Kind, external_id: ExternalId, lane: Lane) -> Entity | None:
        """Read one entity; None only when the platform itself says that it does not exist. Raises BAD_ID.

        It is one answer, of which nothing irreversible follows: the engine asks once more before it removes anything.
        """
        ...

    async def find(self, kind: Kind, text: str) -> Sequence[Match]:
        """Find entities by what a person calls them, in the live lane, those that are not SparkLayer's too.

        A product by each of its SKUs or its name, a customer by e-mail address, name or company, an order by its number
        or the buyer's e-mail address. Where nothing is called so, those of which the name has the text in it. Each
        once, at most `MOST_FOUND`; none only when the platform itself knows of none. Nothing is written, noted or
        logged: the text and what is found may be about persons.
        """
        ...

    def map(self, kind: Kind, entity: Entity, facts: StoreFacts) -> Mapped[Any]:
        """Turn what was read into what SparkLayer shall hold. Pure. Raises the failure of what could not be read."""
        ...

    async def probe(self) -> None:
        """Make the cheapest call that shows whether credentials and service work."""
        ...

    async def ensure_webhooks(self, destination: str, announce: Announce = tell_nobody) -> Registration:
        """See to it that every scope needed is delivered to `destination`, and nothing of ours elsewhere.

        `destination` is a URL whose path ends in the connection's name. What is ours is known by that name and by a
        secret, wherever else it leads; nothing of others is touched. Before the first change what was found is
        announced, with the `kinds` of what is to be made, mended or switched on. One call that fails keeps no other
        from being tried. Raises a failure only when nothing was changed.
        """
        ...

    async def remove_webhooks(self, destination: str) -> None:
        """Unregister what `ensure_webhooks` registered, wherever it leads; `destination` may be a path alone."""
        ...

    async def aclose(self) -> None:
        """Close the connections to the store."""
        ...


@frozen(kw_only=True)
class Installed:
    """A merchant has installed the app. `store` is a settings value with the credentials that came with it."""

    store_id: str
    store: Any = field(repr=False)


@frozen
class Loaded:
    """A merchant has opened the app in the store's control panel."""

    store_id: str


@frozen
class Uninstalled:
    """A merchant has removed the app: the credentials of that install are void, and so are its webhooks."""

    store_id: str


Visit = Installed | Loaded | Uninstalled


class AppRefused(Exception):
    """A call of one of the app's pages is none that the platform sent, or comes too late.

    The text is for the merchant: what is wrong and what to do, without secrets. `status` is what to answer.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class App(Protocol):
    """An app of the platform's marketplace, which merchants install to let us read their store."""

    def install_url(self, store_id: str) -> str:
        """Return where a merchant of the store is sent to install the app. Raises AppRefused for no store's id."""
        ...

    async def visit(self, page: str, query: Mapping[str, str]) -> Visit:
        """Verify a call of a page, and return what it means. Raises AppRefused."""
        ...

    async def aclose(self) -> None:
        """Close the connections to the platform."""
        ...


@frozen(kw_only=True)
class AppType:
    """What a platform with an app brings for it.

    `settings` is an attrs class, structured from the section `[{name}_app]`. `connect` builds the app for the base URL
    that its `pages` are served below, as {public_url}/{name}/{page}; tests hand it another transport.
    """

    settings: type
    pages: tuple[str, ...]
    connect: Callable[[Any, str, Transport | None], App]


@frozen(kw_only=True)
class WebhookTimes:
    """How a platform delivers webhooks; seconds.

    A new registration works after `active_after` at the latest. What is not taken is sent again for `retried_for`.
    """

    active_after: float = 60.0
    retried_for: float = 0.0


def any_address(_store: Any, _public_url: str) -> str | None:
    """Find no fault with a public URL."""
    return None


@frozen(kw_only=True)
class PlatformType:
    """What a platform's folder offers to the rest of the daemon.

    `settings` is an attrs class, structured from `[connections.{name}]`; its `Secret` fields may come from files.
    `identity` says which store a settings value means, whatever else of it changes; it is no secret.
    `connect` builds the adapter of one store, which tells `observe` of each request and keeps entries in a state of its
    own; tests hand it another transport.
    """

    name: str
    label: str
    settings: type
    identity: Callable[[Any], str]
    connect: Callable[[Any, Transport | None, Observe, AdapterState], Platform]
    reader: Callable[[Any], WebhookReader]
    kinds: frozenset[Kind] = frozenset(Kind)
    """What can be read of such a store."""
    cached_kinds: frozenset[Kind] = frozenset(Kind)
    """Kinds of which the adapter remembers something: `BESIDE` sees them whole only after a first page of another."""
    app: AppType | None = None
    webhooks: WebhookTimes = WebhookTimes()
    public_url_fault: Callable[[Any, str], str | None] = any_address
    """Returns why the platform will not deliver a store's webhooks to a public URL, and the remedy; None: it will."""

    @property
    def price_list(self) -> tuple[str, str]:
        """Name and slug of the default price list, such as ("BigCommerce Price", "bigcommerce-price")."""
        return f"{self.label} Price", f"{self.name}-price"
