"""Adapters whose enumerations are not whole, or not repeatable."""

from typing import Any

from attrs import evolve

from daemon.errors import Retry
from daemon.model import Kind
from daemon.platforms.base import Entity, IdPage, Page
from tests.conformance.broken.base import Broken


class LosesTheFirstOfAPage(Broken):
    async def page(self, kind: Kind, cursor: str | None) -> Page:
        page: Page = await self.real.page(kind, cursor)
        return evolve(page, entities=page.entities[1:]) if cursor else page


class RepeatsTheLastOfAPage(Broken):
    last: Entity | None = None

    async def page(self, kind: Kind, cursor: str | None) -> Page:
        page: Page = await self.real.page(kind, cursor)
        before = [self.last] if cursor and self.last else []
        self.last = page.entities[-1] if page.entities else None
        return evolve(page, entities=[*before, *page.entities])


class CountsWhatItHasRead(Broken):
    """Pages by number: who goes meanwhile makes another one be skipped."""

    async def page(self, kind: Kind, cursor: str | None) -> Page:
        entities: list[Entity] = []
        after: str | None = None
        while True:
            page = await self.real.page(kind, after)
            entities += page.entities
            after = page.cursor
            if after is None:
                break
        start = int(cursor or 0)
        part = entities[start : start + 200]
        return Page(entities=part, cursor=str(start + 200) if start + 200 < len(entities) else None)


class KeepsCursorsInMemory(Broken):
    def __init__(self, real: Any) -> None:
        super().__init__(real)
        self.cursors: dict[str, str] = {}

    async def page(self, kind: Kind, cursor: str | None) -> Page:
        page: Page = await self.real.page(kind, cursor and self.cursors.get(cursor))
        name = str(len(self.cursors))
        if page.cursor is not None:
            self.cursors[name] = page.cursor
        return evolve(page, cursor=page.cursor and name)


class TakesTroubleForTheEnd(Broken):
    async def page(self, kind: Kind, cursor: str | None) -> Page:
        try:
            page: Page = await self.real.page(kind, cursor)
        except Retry:
            return Page(entities=(), cursor=None)
        return page


class LooksOnlyBehindThatSecond(Broken):
    async def changed_since(self, kind: Kind, since: float, cursor: str | None) -> Page:
        page: Page = await self.real.changed_since(kind, since + 2, cursor)
        return page


class ReadsAllForWhatChanged(Broken):
    async def changed_since(self, kind: Kind, _since: float, cursor: str | None) -> Page:
        page: Page = await self.real.page(kind, cursor)
        return page


class LooksOnce(Broken):
    """Remembers what the first page told."""

    def __init__(self, real: Any) -> None:
        super().__init__(real)
        self.first: dict[Kind, Page] = {}

    async def page(self, kind: Kind, cursor: str | None) -> Page:
        if cursor is None and kind in self.first:
            return self.first[kind]
        page: Page = await self.real.page(kind, cursor)
        if cursor is None:
            self.first[kind] = page
        return page


class ForgetsWhatOnlyListsTell(Broken):
    """Sweeps a page of it."""

    async def changed_since(self, kind: Kind, since: float, cursor: str | None) -> Page:
        page: Page = await self.real.changed_since(kind, since, cursor)
        return evolve(page, cursor=None)


class SweepsNoSettings(Broken):
    """Waits for a webhook that the platform does not send."""

    async def changed_since(self, kind: Kind, since: float, cursor: str | None) -> Page:
        page: Page = await self.real.changed_since(kind, since, cursor)
        return evolve(page, entities=[]) if kind is Kind.STORE else page


class ForgetsWhatChangedBehindAFailure(Broken):
    """Has seen all of a time that it once began to look at."""

    def __init__(self, real: Any) -> None:
        super().__init__(real)
        self.begun: set[float] = set()

    async def changed_since(self, kind: Kind, since: float, cursor: str | None) -> Page:
        if since in self.begun:
            return Page(entities=(), cursor=None)
        try:
            page: Page = await self.real.changed_since(kind, since, cursor)
        except Retry:
            self.begun.add(since)
            raise
        return page


class StaysBroken(Broken):
    """Once failed, always failed."""

    failure: Retry | None = None

    async def page(self, kind: Kind, cursor: str | None) -> Page:
        if self.failure:
            raise self.failure
        try:
            page: Page = await self.real.page(kind, cursor)
        except Retry as error:
            self.failure = error
            raise
        return page


class ListsTheFirstPage(Broken):
    async def ids(self, kind: Kind, cursor: str | None) -> IdPage:
        page: IdPage = await self.real.ids(kind, cursor)
        return evolve(page, cursor=None)


class ListsIdsByPlace(Broken):
    """Skips as many as were seen."""

    async def ids(self, kind: Kind, cursor: str | None) -> IdPage:
        ids, page = [], None
        while page is None or page.cursor is not None:
            page = await self.real.ids(kind, page and page.cursor)
            ids += page.ids
        first = int(cursor or 0)
        return IdPage(ids=ids[first : first + 250], cursor=str(first + 250) if len(ids) > first + 250 else None)
