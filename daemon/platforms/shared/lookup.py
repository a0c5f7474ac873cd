"""Finds entities as people name them.

A product is found by a SKU or its name, a customer by e-mail address, name or company, an order by its number or its
buyer's e-mail address.
"""

from abc import ABC, abstractmethod

from daemon.model import Kind
from daemon.platforms.base import MOST_FOUND, Match

SKU, NAME, EMAIL, COMPANY, NUMBER = "SKU", "name", "e-mail address", "company", "number"
"""Fields that match."""


class LookupByKind(ABC):
    """Finds entities of one store, by a way for each kind."""

    async def find(self, kind: Kind, text: str) -> list[Match]:
        """Return the entities named `text`; see `daemon.platforms.base.Platform.find`."""
        asked = text.strip()
        if not asked or not asked.isprintable() or kind is Kind.STORE:
            return []
        ways = {Kind.PRODUCTS: self._products, Kind.CUSTOMERS: self._customers, Kind.ORDERS: self._orders}
        matches = await ways[kind](asked)
        # Of several matches of an entity the first stays.
        return list({match.external_id: match for match in reversed(matches)}.values())[::-1][:MOST_FOUND]

    @abstractmethod
    async def _products(self, text: str) -> list[Match]: ...

    @abstractmethod
    async def _customers(self, text: str) -> list[Match]: ...

    @abstractmethod
    async def _orders(self, text: str) -> list[Match]: ...
