"""The part of an adapter that passes each call to the reader of its kind; the reader of the kind `store`."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from daemon.entities import Mapped, StoreFacts
from daemon.errors import Failure, Retry
from daemon.model import ExternalId, Kind, Lane
from daemon.platforms.base import STORE, Entity, Page
from daemon.platforms.shared.rows import Unreadable


class Reader(Protocol):
    """Reads the entities of one kind. `daemon.platforms.base.Platform` describes each method."""

    batch: int

    async def page(self, cursor: str | None) -> Page:
        """Read a page of an enumeration."""
        ...

    async def changed_since(self, since: float, cursor: str | None) -> Page:
        """Read a page of changed entities."""
        ...

    async def read(self, ids: Sequence[ExternalId], lane: Lane) -> Mapping[ExternalId, Entity]:
        """Read entities by their ids."""
        ...

    async def read_one(self, external_id: ExternalId, lane: Lane) -> Entity | None:
        """Read one entity; None only if it certainly does not exist."""
        ...

    def map(self, entity: Entity, facts: StoreFacts) -> Mapped[Any]:
        """Map an entity."""
        ...


R = TypeVar("R", bound=Reader)


class ReadersByKind(Generic[R]):
    """The methods of `daemon.platforms.base.Platform` that concern one kind. `label` names the platform to people."""

    def __init__(self, label: str, readers: Mapping[Kind, R]) -> None:
        self._label = label
        self._readers = readers

    def batch(self, kind: Kind) -> int:
        """Return the most entities that one call of `read` takes."""
        return self._readers[kind].batch

    async def page(self, kind: Kind, cursor: str | None) -> Page:
        """Read the page that `cursor` starts."""
        return await self._readers[kind].page(cursor)

    async def changed_since(self, kind: Kind, since: float, cursor: str | None) -> Page:
        """Read a page of entities changed at or after `since`."""
        return await self._readers[kind].changed_since(since, cursor)

    async def read(self, kind: Kind, ids: Sequence[ExternalId], lane: Lane) -> Mapping[ExternalId, Entity]:
        """Read entities by id; malformed ids are left out."""
        return await self._readers[kind].read(ids, lane)

    async def read_one(self, kind: Kind, external_id: ExternalId, lane: Lane) -> Entity | None:
        """Read one entity; None if the platform itself says that it does not exist."""
        return await self._readers[kind].read_one(external_id, lane)

    def map(self, kind: Kind, entity: Entity, facts: StoreFacts) -> Mapped[Any]:
        """Map an entity. Raises the failure of a part that could not be read, and Retry if the entity is unreadable."""
        if isinstance(entity.content, Failure):
            raise entity.content
        if isinstance(entity.content, Unreadable):
            message = f"{self._label}'s answer about this has an unexpected shape: {entity.content.why}"
            raise Retry(message, reason=entity.content.reason)
        return self._readers[kind].map(entity, facts)


class OneStore(ABC):
    """Reads the only entity of the kind `store`: the store as a whole."""

    batch = 1

    @abstractmethod
    async def facts(self) -> StoreFacts:
        """Read the store's facts."""

    async def _entity(self) -> Entity:
        """Read the store."""
        return Entity(STORE, await self.facts())

    async def page(self, _cursor: str | None) -> Page:
        """Read the store as the only page of an enumeration."""
        return Page(entities=[await self._entity()], cursor=None)

    async def changed_since(self, _since: float, cursor: str | None) -> Page:
        """Read the store, changed or not: no platform dates a change of its settings."""
        return await self.page(cursor)

    async def read(self, ids: Sequence[ExternalId], _lane: Lane) -> Mapping[ExternalId, Entity]:
        """Read the store by its id."""
        return {STORE: await self._entity()} if STORE in ids else {}

    async def read_one(self, external_id: ExternalId, _lane: Lane) -> Entity | None:
        """Read the store; None for any other id."""
        return await self._entity() if external_id == STORE else None
