"""Adapters that find carelessly."""

from collections.abc import Sequence

import structlog

from daemon.errors import Failure
from daemon.model import ExternalId, Kind
from daemon.platforms.adapter_state import Entry
from daemon.platforms.base import Match
from tests.conformance.broken.base import Broken

log = structlog.get_logger()


class TakesTheFirst(Broken):
    """Returns the first candidate."""

    async def find(self, kind: Kind, text: str) -> Sequence[Match]:
        page = await self.real.page(kind, None)
        return [Match(one.external_id, "name", text) for one in page.entities[:1]]


class KnowsIdsOnly(Broken):
    async def find(self, kind: Kind, text: str) -> Sequence[Match]:
        found: Sequence[Match] = await self.real.find(kind, text)
        return [one for one in found if one.external_id == text]


class AnswersForAll(Broken):
    """Whatever it is called, it is found."""

    async def find(self, kind: Kind, text: str) -> Sequence[Match]:
        found: Sequence[Match] = await self.real.find(kind, text)
        return found or [Match(ExternalId("1"), "name", text)]


class FindsNothingInTrouble(Broken):
    async def find(self, kind: Kind, text: str) -> Sequence[Match]:
        try:
            found: Sequence[Match] = await self.real.find(kind, text)
        except Failure:
            return []
        return found


class NotesWhoIsLookedFor(Broken):
    async def find(self, kind: Kind, text: str) -> Sequence[Match]:
        found: Sequence[Match] = await self.real.find(kind, text)
        entries = [Entry(one.external_id, "asked", text) for one in found]
        await self.real._readers[Kind.ORDERS]._carts._state.put("mine", entries, 1)
        return found


class LogsWhoIsLookedFor(Broken):
    async def find(self, kind: Kind, text: str) -> Sequence[Match]:
        log.info("looking", text=text)
        found: Sequence[Match] = await self.real.find(kind, text)
        return found
