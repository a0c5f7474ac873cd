"""The protocol that a platform's adapter fulfils, and the values that cross it.

One folder below `daemon/platforms` is one platform. The folder's `__init__` has a constant `PLATFORM`, a
`PlatformType`; the rest of the daemon knows nothing else of the folder. Adding a platform touches that
folder, and its kit in `tests/conformance`.

The engine asks for whole pages and whole lists of ids, and an adapter answers with as few calls as its API allows. An
`Entity` is opaque to the engine: one call reads it, and `Platform.map`, which is pure, maps it.
"""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from attrs import field, frozen

from daemon.entities import Mapped, StoreFacts
from daemon.errors import Failure
from daemon.model import Change, ExternalId, Kind, Lane
from daemon.platforms.adapter_state import AdapterState
from daemon.platforms.apps import AppType, TypedKeys
from daemon.transport.client import Observe
from daemon.transport.http import Transport
from daemon.transport.throttle import Limiter

STORE = ExternalId("store")
"""The id of the only entity of the kind `store`."""

BAD_ID = "bad_id"
"""Reason of the Rejected that `read_one` raises for a text that cannot be an id of the platform."""

UNCACHED = ""
"""Cursor that starts an enumeration without resetting the adapter's cached state."""


@frozen
class Entity:
    """One entity as the platform answered it; only the adapter knows the type of `content`."""

    external_id: ExternalId
    content: Any = field(repr=False, eq=False)


MOST_FOUND = 50
"""Most entities that `find` returns."""


@frozen
class Match:
    """An entity found by `find`. `by` is the field that matched, such as "SKU"; `name` is the entity's name."""

    external_id: ExternalId
    by: str
    name: str = field(default="", repr=False)


@frozen(kw_only=True)
class Page:
    """A page of an enumeration. `cursor` starts the next one; None ends the enumeration.

    A cursor is a short text of the adapter. It outlives restarts, so it must not depend on the process.
    """

    entities: Sequence[Entity]
    cursor: str | None


@frozen(kw_only=True)
class IdPage:
    """A page of ids, with a cursor as that of a `Page`."""

    ids: Sequence[ExternalId]
    cursor: str | None


@frozen(kw_only=True)
class Delivery:
    """The content of a verified webhook. An unknown scope is accepted and counted: no changes, `known` false."""

    changes: tuple[Change, ...]
    scope: str
    known: bool = True
    stale: bool = False
    """True for a redelivery: the signed timestamp is older than five minutes. Counted, not refused."""
    registration_broken: bool = False
    """True if the delivery says that the registrations no longer work, so changes are lost: they are looked at now."""


class WebhookReader(Protocol):
    """Verifies and reads the webhooks of one connection. Pure, so the listener can call it on its hot path.

    A request is a delivery if `verify` says so, else a ping if `is_ping` says so, else it is refused. The listener does
    not judge headers or bodies itself.
    """

    def verify(self, headers: Mapping[bytes, bytes], body: bytes) -> bool:
        """Return True if the sender knows the secrets, in constant time and before any parsing.

        `headers` has lower-case names.
        """
        ...

    def read(self, headers: Mapping[bytes, bytes], body: bytes) -> Delivery:
        """Decode a verified body. Raises ValueError, with one line for the sender, if it is not a valid delivery."""
        ...

    def is_ping(self, headers: Mapping[bytes, bytes], body: bytes) -> bool:
        """Return True for the exact request by which the platform tries an address, unsigned, before it registers it.

        Anyone can send one, so it changes nothing: it is counted and answered 200. False on a platform without pings.
        """
        ...


@frozen(kw_only=True)
class Registration:
    """The state of the webhooks: the number of `registered` scopes, and the `missing` ones.

    `missing` maps a scope to the platform's reason; "" if the platform was not asked yet. Webhooks of `kinds` may have
    been lost until now, because one of their hooks was created, repaired or activated. `mended` counts the changes,
    including those at earlier destinations; `made` has the scopes that were registered by them. `switched_off` has the
    scopes that the platform had switched off, mended or not. `fresh`: no hook of ours existed before. With a `failure`
    the registration is incomplete and must be tried again.
    """

    registered: int = 0
    missing: Mapping[str, str] = field(factory=dict)
    kinds: frozenset[Kind] = frozenset()
    mended: int = 0
    made: frozenset[str] = frozenset()
    switched_off: frozenset[str] = frozenset()
    fresh: bool = False
    failure: Failure | None = None


Announce = Callable[[Registration], Awaitable[None]]


async def tell_nobody(_found: Registration) -> None:
    """Announce nothing."""


class Platform(Protocol):
    """One store, as the engine sees it. Every method may raise the failures of `daemon.errors`.

    `tests/conformance` holds every adapter to these promises. Calls may run concurrently and be cancelled anywhere. No
    text of an adapter shows a secret of its settings, even in a quotation.
    """

    def batch(self, kind: Kind) -> int:
        """Return the most entities of a kind that one call of `read` takes."""
        ...

    limiter: Limiter
    """The throttle of the store's API, shown in /metrics and /admin/status."""

    async def facts(self) -> StoreFacts:
        """Read the facts about the whole store that mapping needs."""
        ...

    async def page(self, kind: Kind, cursor: str | None) -> Page:
        """Read the page of `kind` that `cursor` starts (None: the first), in the backfill lane.

        An entity that exists from the first page to the last comes exactly once, even if others change meanwhile. A
        page that cannot be read whole is a failure. Data of one entity that cannot be read, such as its shipments, is
        a failure of that entity, and `map` raises it. The first page of a kind also refreshes the adapter's cached
        state; the cursor `UNCACHED` starts an enumeration without doing so. The kind `store` has one entity: its id
        is `STORE`, its content the `StoreFacts`.
        """
        ...

    async def changed_since(self, kind: Kind, since: float, cursor: str | None) -> Page:
        """Read a page of entities changed at or after `since` (seconds since the epoch), in the backfill lane.

        It may list others, and may list one twice, but omits no changed entity: not even after a call that failed, or
        if the entity was read by its id in between.
        """
        ...

    async def ids(self, kind: Kind, cursor: str | None) -> IdPage:
        """Read a page of the ids of a kind, in the backfill lane, with as little else as the platform allows.

        It lists the entities that `page` lists: one that exists from the first page to the last is among them, and a
        page that cannot be read whole is a failure. It changes no cached state.
        """
        ...

    async def read(self, kind: Kind, ids: Sequence[ExternalId], lane: Lane) -> Mapping[ExternalId, Entity]:
        """Read at most `batch` entities. An id that the platform omits is omitted here; that proves nothing.

        An entity known to be none of ours may be returned without a call, as one that maps to nothing. Some webhooks
        name only a part of an entity, such as a variant's metafield. For the id of such a part, the answer has an
        entity with its own `external_id`, and the engine looks at that one next.
        """
        ...

    async def read_one(self, kind: Kind, external_id: ExternalId, lane: Lane) -> Entity | None:
        """Read one entity; None only if the platform itself says that it does not exist. Raises Rejected (`BAD_ID`).

        This is one answer. The engine asks again before it removes anything.
        """
        ...

    async def find(self, kind: Kind, text: str) -> Sequence[Match]:
        """Find entities as a person names them, in the live lane, including entities that are not synced.

        The text matches a product's SKUs or name, a customer's e-mail address, name or company, an order's number or
        its buyer's e-mail address. Without an exact match, it matches any part of the name. Each entity comes once, at
        most `MOST_FOUND` in all; none only if the platform itself finds none. The text and the matches may be personal
        data, so nothing is stored or logged.
        """
        ...

    def map(self, kind: Kind, entity: Entity, facts: StoreFacts) -> Mapped[Any]:
        """Return the target state in SparkLayer. Pure. Raises the failure of a part that could not be read."""
        ...

    async def probe(self) -> None:
        """Make the cheapest call that checks credentials and service."""
        ...

    async def ensure_webhooks(self, destination: str, announce: Announce = tell_nobody) -> Registration:
        """Register every needed scope for `destination`, and remove our webhooks that lead elsewhere.

        `destination` is a URL whose path ends in the connection's name. That name and a secret identify our webhooks,
        wherever they lead; webhooks of others are not touched. Before the first change, the registration as found is
        announced with the `kinds` concerned. A call that fails does not stop the others. Raises a failure only if
        nothing was changed.
        """
        ...

    async def remove_webhooks(self, destination: str) -> None:
        """Delete our webhooks, wherever they lead; `destination` may be only a path."""
        ...

    async def aclose(self) -> None:
        """Close the connections to the store."""
        ...


@frozen(kw_only=True)
class WebhookTimes:
    """Times of a platform's webhooks, in seconds.

    A new registration is active within `active_after`. A delivery that fails is retried for `retried_for`; 0: the
    platform never sends again, so a delivery that could not be taken is made up for by a sweep. Deliveries come within
    `delivered_within`: until then, a change that a sweep finds first was not missed.
    """

    active_after: float = 60.0
    retried_for: float = 0.0
    delivered_within: float = 0.0
    longest_debounce: float = math.inf
    """A platform that gathers the edits of an entity itself: a change waits no longer than this for the next one."""
    needs_care: bool = False
    """True if a few failures make the platform switch webhooks off: they are looked at as often as a kind is swept."""

    @property
    def repeats(self) -> bool:
        """True if the platform sends a delivery again that was not answered 2xx."""
        return self.retried_for > 0


@frozen(kw_only=True)
class PlatformType:
    """A platform, as its folder offers it to the rest of the daemon.

    `settings` is an attrs class, structured from `[connections.{name}]`; its `Secret` fields may come from files. If it
    has a field `webhook_secret` and that is None, the daemon makes a secret and keeps it; without the field there is no
    such secret.
    `identity` returns the store that a settings value means, independent of its other fields; it is not a secret.
    `store_id` returns the one spelling of a store's id, which is that of `identity`. It raises ValueError, with what an
    id must be, for a text that is no id of this platform's stores.
    `connect` builds the adapter of one store, which reports each request to `observe`. Tests pass another transport.
    """

    name: str
    label: str
    settings: type
    identity: Callable[[Any], str]
    store_id: Callable[[str], str] = str
    connect: Callable[[Any, Transport | None, Observe, AdapterState], Platform]
    reader: Callable[[Any], WebhookReader]
    kinds: frozenset[Kind] = frozenset(Kind)
    """The kinds that the adapter can read."""
    cached_kinds: frozenset[Kind] = frozenset(Kind)
    """Kinds with cached state: an enumeration that starts at `UNCACHED` is complete only after one that does not."""
    webhook_kinds: frozenset[Kind] = frozenset(Kind)
    """Kinds whose changes webhooks tell of. The others are found by sweeps, and are not missed."""
    census_kinds: frozenset[Kind] = frozenset()
    """Kinds whose removals the platform does not announce: their ids are listed hourly."""
    app: AppType | None = None
    typed_keys: TypedKeys | None = None
    webhooks: WebhookTimes = WebhookTimes()
    max_delivery_bytes: int = 1024 * 1024
    """Size of the platform's largest deliveries. A larger one is refused unread, and a sweep finds its change."""
    remedies: Mapping[str, str] = field(factory=dict)
    """Advice to operators in the platform's words, by the reason of a failure. Others get general advice."""
    rights: Mapping[Kind, str] = field(factory=dict)
    """Rights that reading a kind takes, by their names in the platform's control panel."""
    public_url_fault: Callable[[Any, str], str | None] = lambda _store, _public_url: None
    """Return the reason why the platform does not deliver webhooks to a public URL, and the remedy; None if it does."""

    @property
    def price_list(self) -> tuple[str, str]:
        """Name and slug of the default price list, such as ("BigCommerce Price", "bigcommerce-price")."""
        return f"{self.label} Price", f"{self.name}-price"
