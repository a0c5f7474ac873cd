"""Adapters whose mapping is not pure, not whole or says too little."""

import itertools
from decimal import Decimal
from typing import Any

from attrs import evolve

from daemon.entities import Issue, Mapped, StoreFacts
from daemon.model import ExternalId, Kind, Sku
from daemon.platforms.base import Entity
from tests.conformance.broken.base import Broken


class Mapper(Broken):
    """Does something to every mapped value."""

    def changed(self, mapped: Mapped[Any]) -> Mapped[Any]:
        return mapped

    def map(self, kind: Kind, entity: Entity, facts: StoreFacts) -> Mapped[Any]:
        return self.changed(self.real.map(kind, entity, facts))


class MapsByTheClock(Mapper):
    ticks = itertools.count()

    def changed(self, mapped: Any) -> Mapped[Any]:
        return Mapped(value=evolve(mapped.value, title=f"{mapped.value.title} {next(self.ticks)}"))


class MapsAnotherId(Mapper):
    def changed(self, mapped: Any) -> Mapped[Any]:
        return Mapped(value=evolve(mapped.value, external_id=ExternalId("7")), name=mapped.name, url=mapped.url)


class PricesWhatIsNoVariant(Mapper):
    def changed(self, mapped: Any) -> Mapped[Any]:
        value = evolve(mapped.value, prices={**mapped.value.prices, Sku("OTHER"): Decimal(1)})
        return Mapped(value=value, name=mapped.name, url=mapped.url)


class ShowsNoLink(Mapper):
    def changed(self, mapped: Mapped[Any]) -> Mapped[Any]:
        return evolve(mapped, url="")


class MakesLinksUp(Mapper):
    def changed(self, mapped: Mapped[Any]) -> Mapped[Any]:
        return evolve(mapped, url=mapped.url or "https://somewhere.example/1")


class SaysProblemsInItsOwnWay(Mapper):
    def changed(self, mapped: Mapped[Any]) -> Mapped[Any]:
        return evolve(mapped, issues=tuple(Issue(code="bad", message=one.message) for one in mapped.issues))


class HidesProblems(Mapper):
    def changed(self, mapped: Mapped[Any]) -> Mapped[Any]:
        return evolve(mapped, issues=())


class EndsUrlsWithASlash(Broken):
    async def facts(self) -> StoreFacts:
        facts: StoreFacts = await self.real.facts()
        return evolve(facts, url=f"{facts.url}/")
