"""Adapters that say what nobody should see."""

import structlog

from daemon.entities import StoreFacts
from daemon.model import Kind
from daemon.platforms.adapter_state import Entry
from daemon.platforms.base import Page
from tests.conformance.broken.base import Broken

log = structlog.get_logger()


class PrintsItsSettings(Broken):
    def __repr__(self) -> str:
        return f"<{self.real._settings.access_token.reveal()}>"


class LogsItsToken(Broken):
    async def facts(self) -> StoreFacts:
        log.info("asking", token=self.real._settings.access_token.reveal())
        facts: StoreFacts = await self.real.facts()
        return facts


class LogsWhoBuys(Broken):
    async def page(self, kind: Kind, cursor: str | None) -> Page:
        page: Page = await self.real.page(kind, cursor)
        for entity in page.entities:
            log.info("read", content=repr(entity.content))
        return page


class NotesWhoBuys(Broken):
    async def page(self, kind: Kind, cursor: str | None) -> Page:
        page: Page = await self.real.page(kind, cursor)
        entries = [Entry(one.external_id, "content", repr(one.content)) for one in page.entities]
        await self.real._readers[Kind.ORDERS]._carts._state.put("mine", entries, 1)
        return page
