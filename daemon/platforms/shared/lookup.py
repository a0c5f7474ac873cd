"""Finds entities as people name them.

A product is found by a SKU or its name, a customer by e-mail address, name or company, an order by its number or its
buyer's e-mail address. Each row of an answer is checked against the question, because an unknown filter may be ignored.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable

from attrs import frozen

from daemon.model import ExternalId, Kind
from daemon.platforms.base import MOST_FOUND, Match

SKU, NAME, EMAIL, COMPANY, NUMBER = "SKU", "name", "e-mail address", "company", "number"
"""Fields that match."""


@frozen
class Named:
    """A row of an answer: the entity, its name for people, and each field by which it may be found, with its text."""

    id: int
    called: str
    fields: tuple[tuple[str, str | None], ...]


class LookupByKind(ABC):
    """Finds entities of one store."""

    async def find(self, kind: Kind, text: str) -> list[Match]:
        """Return the entities named `text`; see `daemon.platforms.base.Platform.find`."""
        asked = text.strip()
        if not asked or not asked.isprintable() or kind is Kind.STORE:
            return []
        if kind is Kind.ORDERS:
            asked = asked.removeprefix("#").strip()
            if not asked:
                return []
        rows = await self.rows(kind, asked)
        matches = _exact(rows, asked) or _similar(rows, asked)
        if not matches:
            rows = await self.further_rows(kind, asked)
            matches = _exact(rows, asked) or _similar(rows, asked)
        # Of several matches of an entity the first stays.
        return list({match.external_id: match for match in reversed(matches)}.values())[::-1][:MOST_FOUND]

    @abstractmethod
    async def rows(self, kind: Kind, text: str) -> list[Named]:
        """Return the rows that the store finds by a text, as far as they can be read."""

    async def further_rows(self, _kind: Kind, _text: str) -> list[Named]:
        """Return the rows that a wider search of the store finds."""
        return []


def _exact(rows: Iterable[Named], text: str) -> list[Match]:
    return [
        Match(ExternalId(str(row.id)), by, row.called)
        for row in rows
        for by, value in row.fields
        if (value or "").strip().casefold() == text.casefold()
    ]


def _similar(rows: Iterable[Named], text: str) -> list[Match]:
    """Return the entities whose name contains a text."""
    return [
        Match(ExternalId(str(row.id)), by, row.called)
        for row in rows
        for by, value in row.fields
        if by == NAME and text.casefold() in (value or "").casefold()
    ]
