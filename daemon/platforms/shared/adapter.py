"""An adapter, as far as it is alike on every platform: it passes each call to the reader of its kind.

A platform gives it a client, one reader for each kind, a lookup, and the type of its webhooks. `OneStore` is the base
of the reader of the kind `store`.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from msgspec import Raw

from daemon.entities import Mapped, StoreFacts
from daemon.errors import Failure, Missing, Rejected, Retry
from daemon.issues import IssueType
from daemon.model import ExternalId, Kind, Lane, Secret
from daemon.platforms.base import (
    BAD_ID,
    STORE,
    UNCACHED,
    Announce,
    Entity,
    IdPage,
    Match,
    Page,
    Registration,
    tell_nobody,
)
from daemon.platforms.shared.amounts import GRAMS_IN
from daemon.platforms.shared.client import StoreClient
from daemon.platforms.shared.hooks import HookRegister, required_secret
from daemon.platforms.shared.lookup import LookupByKind
from daemon.platforms.shared.rows import OUT_OF_FILTER, Unreadable, read_id
from daemon.transport.http import shortly


class Reader(ABC):
    """Reads and maps the entities of one kind. `daemon.platforms.base.Platform` describes each method."""

    batch: int

    @abstractmethod
    def is_id(self, text: str) -> bool:
        """Return True if a text can be an id of this kind. The methods below get no others."""

    @abstractmethod
    async def page(self, cursor: str | None) -> Page:
        """Read a page of an enumeration."""

    @abstractmethod
    async def changed_since(self, since: float, cursor: str | None) -> Page:
        """Read a page of changed entities."""

    async def ids(self, cursor: str | None) -> IdPage:
        """Read ids from a whole page, without resetting cached state."""
        page = await self.page(UNCACHED if cursor is None else cursor)
        return IdPage(ids=[entity.external_id for entity in page.entities], cursor=page.cursor)

    @abstractmethod
    async def read(self, ids: Sequence[ExternalId], lane: Lane) -> Mapping[ExternalId, Entity]:
        """Read entities by their ids."""

    @abstractmethod
    async def read_one(self, external_id: ExternalId, lane: Lane) -> Entity | None:
        """Read one entity; None only if it certainly does not exist."""

    @abstractmethod
    def map(self, entity: Entity, facts: StoreFacts) -> Mapped[Any]:
        """Map an entity."""


class OneStore(Reader):
    """Reads the only entity of the kind `store`: the store as a whole. `label` names the platform to people."""

    batch = 1
    label: str

    @abstractmethod
    async def facts(self) -> StoreFacts:
        """Read the store's facts."""

    def is_id(self, _text: str) -> bool:
        """Accept every text: no entity has another id than `STORE`."""
        return True

    async def page(self, _cursor: str | None) -> Page:
        """Read the store as the only page of an enumeration."""
        return Page(entities=[Entity(STORE, await self.facts())], cursor=None)

    async def changed_since(self, _since: float, cursor: str | None) -> Page:
        """Read the store, changed or not: no platform dates a change of its settings."""
        return await self.page(cursor)

    async def ids(self, _cursor: str | None) -> IdPage:
        """Return the store's only id."""
        return IdPage(ids=[STORE], cursor=None)

    async def read(self, ids: Sequence[ExternalId], lane: Lane) -> Mapping[ExternalId, Entity]:
        """Read the store by its id."""
        store = await self.read_one(STORE, lane) if STORE in ids else None
        return {STORE: store} if store else {}

    async def read_one(self, external_id: ExternalId, _lane: Lane) -> Entity | None:
        """Read the store; None for any other id."""
        return Entity(STORE, await self.facts()) if external_id == STORE else None

    def map(self, entity: Entity, _facts: StoreFacts) -> Mapped[StoreFacts]:
        """Return the facts as they are, with an issue for an unknown unit of weight."""
        facts: StoreFacts = entity.content
        trouble = IssueType.WEIGHT_UNIT_UNKNOWN.issue(platform=self.label, unit=facts.weight_unit)
        known = facts.weight_unit.strip().lower() in GRAMS_IN
        return Mapped(value=facts, issues=() if known else (trouble,), name="Store settings", url=facts.url)


class Adapter:
    """Fulfils `daemon.platforms.base.Platform` for one store. `settings` have a `webhook_secret`, which may be None."""

    def __init__(
        self,
        settings: Any,
        client: StoreClient,
        *,
        store: OneStore,
        readers: Mapping[Kind, Reader],
        lookup: LookupByKind,
        hooks: Callable[[str, Secret], HookRegister[Any, Any]],
    ) -> None:
        self._settings = settings
        self.limiter = client.limiter
        self._client = client
        self._store = store
        self._readers = {Kind.STORE: store, **readers}
        self._lookup = lookup
        self._hooks = hooks

    def batch(self, kind: Kind) -> int:
        """Return the most entities that one call of `read` takes."""
        return self._readers[kind].batch

    async def facts(self) -> StoreFacts:
        """Read the facts about the store that mapping needs."""
        return await self._store.facts()

    async def page(self, kind: Kind, cursor: str | None) -> Page:
        """Read the page that `cursor` starts."""
        return await self._readers[kind].page(cursor)

    async def changed_since(self, kind: Kind, since: float, cursor: str | None) -> Page:
        """Read a page of entities changed at or after `since`."""
        return await self._readers[kind].changed_since(since, cursor)

    async def ids(self, kind: Kind, cursor: str | None) -> IdPage:
        """Read a page of the ids of a kind."""
        return await self._readers[kind].ids(cursor)

    async def read(self, kind: Kind, ids: Sequence[ExternalId], lane: Lane) -> Mapping[ExternalId, Entity]:
        """Read entities by id; malformed ids are left out."""
        reader = self._readers[kind]
        return await reader.read([id_ for id_ in ids if reader.is_id(id_)], lane)

    async def read_one(self, kind: Kind, external_id: ExternalId, lane: Lane) -> Entity | None:
        """Read one entity; None if the platform itself says that it does not exist. Raises Rejected (`BAD_ID`)."""
        reader = self._readers[kind]
        if not reader.is_id(external_id):
            raise Rejected(f"{external_id!r} cannot be an id of {self._store.label}'s {kind}", reason=BAD_ID)
        return await reader.read_one(external_id, lane)

    def map(self, kind: Kind, entity: Entity, facts: StoreFacts) -> Mapped[Any]:
        """Map an entity. Raises the failure of a part that could not be read, and Retry if the entity is unreadable."""
        if isinstance(entity.content, Failure):
            raise entity.content
        if isinstance(entity.content, Unreadable):
            message = f"{self._store.label}'s answer about this has an unexpected shape: {entity.content.why}"
            raise Retry(message, reason=entity.content.reason)
        return self._readers[kind].map(entity, facts)

    async def find(self, kind: Kind, text: str) -> Sequence[Match]:
        """Find entities as a person names them."""
        return await self._lookup.find(kind, text)

    async def probe(self) -> None:
        """Make the cheapest call that checks credentials and service."""
        await self._client.probe()

    async def ensure_webhooks(self, destination: str, announce: Announce = tell_nobody) -> Registration:
        """Register missing webhooks and repair wrong ones. Raises ConfigError without a `webhook_secret`."""
        secret = required_secret(self._settings.webhook_secret, self._store.label.lower())
        return await self._hooks(destination, secret).ensure(announce)

    async def remove_webhooks(self, destination: str) -> None:
        """Delete our webhooks, also at earlier addresses. Without a `webhook_secret` there never were any."""
        if self._settings.webhook_secret is not None:
            await self._hooks(destination, self._settings.webhook_secret).remove()

    async def aclose(self) -> None:
        """Close the connections to the store."""
        await self._client.aclose()


async def read_single(external_id: ExternalId, ask: Callable[[], Awaitable[Raw]]) -> Raw | None:
    """Return the answer about one entity; None only if the platform itself says that it does not exist.

    Raises Retry if the answer is about another entity.
    """
    try:
        raw = await shortly(ask)
    except Missing:
        return None
    if read_id(raw) != int(external_id):
        raise Retry("The platform's answer is about another entity", reason=OUT_OF_FILTER)
    return raw
