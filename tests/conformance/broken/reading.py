"""Adapters that read by ids carelessly."""

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve

from daemon.entities import Mapped, StoreFacts
from daemon.errors import Missing, Retry
from daemon.model import ExternalId, Kind, Lane
from daemon.platforms.base import Entity, Page
from tests.conformance.broken.base import Broken


class InventsWhatIsNotThere(Broken):
    async def read(self, kind: Kind, ids: Sequence[ExternalId], lane: Lane) -> Mapping[ExternalId, Entity]:
        found: dict[ExternalId, Entity] = dict(await self.real.read(kind, ids, lane))
        contents = [entity.content for entity in found.values()]
        return found | {one: Entity(one, contents[0]) for one in ids if contents and one not in found}


class ReadsAllButTheLast(Broken):
    async def read(self, kind: Kind, ids: Sequence[ExternalId], lane: Lane) -> Mapping[ExternalId, Entity]:
        found: Mapping[ExternalId, Entity] = await self.real.read(kind, ids[:-1] if len(ids) > 1 else ids, lane)
        return found


class ReadsOneByOne(Broken):
    async def read(self, kind: Kind, ids: Sequence[ExternalId], lane: Lane) -> Mapping[ExternalId, Entity]:
        found = {}
        for one in ids:
            found.update(await self.real.read(kind, [one], lane))
        return found


class TrustsIds(Broken):
    async def read(self, kind: Kind, ids: Sequence[ExternalId], lane: Lane) -> Mapping[ExternalId, Entity]:
        found: Mapping[ExternalId, Entity] = await self.real.read(kind, [ExternalId(str(int(i))) for i in ids], lane)
        return found


class TakesTroubleForAbsence(Broken):
    async def read_one(self, kind: Kind, external_id: ExternalId, lane: Lane) -> Entity | None:
        try:
            entity: Entity | None = await self.real.read_one(kind, external_id, lane)
        except Retry:
            return None
        return entity


class NeverSaysGone(Broken):
    async def read_one(self, kind: Kind, external_id: ExternalId, lane: Lane) -> Entity | None:
        entity: Entity | None = await self.real.read_one(kind, external_id, lane)
        if entity is None:
            raise Missing("not there", reason="http_404")
        return entity


class RemembersEntities(Broken):
    def __init__(self, real: Any) -> None:
        super().__init__(real)
        self.known: dict[ExternalId, Entity] = {}

    async def page(self, kind: Kind, cursor: str | None) -> Page:
        page: Page = await self.real.page(kind, cursor)
        self.known.update((entity.external_id, entity) for entity in page.entities)
        return page

    async def read(self, kind: Kind, ids: Sequence[ExternalId], lane: Lane) -> Mapping[ExternalId, Entity]:
        return {**await self.real.read(kind, ids, lane), **{one: self.known[one] for one in ids if one in self.known}}


class MapsPagesInAnotherWay(Broken):
    """Never looks up the parts that a page leaves out."""

    async def page(self, kind: Kind, cursor: str | None) -> Page:
        page: Page = await self.real.page(kind, cursor)
        return evolve(page, entities=[Entity(one.external_id, (one.content,)) for one in page.entities])

    def map(self, kind: Kind, entity: Entity, facts: StoreFacts) -> Mapped[Any]:
        if not isinstance(entity.content, tuple):
            mapped: Mapped[Any] = self.real.map(kind, entity, facts)
            return mapped
        mapped = self.real.map(kind, Entity(entity.external_id, entity.content[0]), facts)
        return evolve(mapped, value=None)
