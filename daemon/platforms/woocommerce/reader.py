"""Base of the readers of products, customers and orders: they read by ids, read one, and list ids.

The shop's server may take only a short list of ids, and a hundred whole entities may be more than a small shop answers
in time. So a part that fails is asked for again, smaller.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from msgspec import Raw

from daemon.model import ExternalId, Lane
from daemon.platforms.base import Entity
from daemon.platforms.shared.adapter import Reader, read_single
from daemon.platforms.shared.page_size import PageSize, read_in_parts
from daemon.platforms.shared.rows import read_id, with_ids
from daemon.platforms.woocommerce.client import RAW, Client
from daemon.platforms.woocommerce.values import MOST_INCLUDED, is_id, listed

MARGIN = 2.0
"""Seconds subtracted: the filter excludes its own second, and dates have whole seconds (woocommerce.md, REST)."""


class WooCommerceReader(Reader):
    """Reads one kind. `path` is that of its list, `fields` the parameters that choose the fields of an entity."""

    batch = MOST_INCLUDED
    path: str
    every: Mapping[str, str] = {}
    """Parameters that have a list of ids leave out no entity."""

    def __init__(self, client: Client, fields: Mapping[str, str]) -> None:
        self._client = client
        self._fields = fields
        self._size = PageSize(MOST_INCLUDED)
        self._included = PageSize(MOST_INCLUDED)

    def is_id(self, text: str) -> bool:
        """Return True if a text can be an id of the API."""
        return is_id(text)

    async def read(self, ids: Sequence[ExternalId], lane: Lane) -> Mapping[ExternalId, Entity]:
        """Read entities by id."""
        rows = await read_in_parts(partial(self._some, lane=lane), ids, self._included, passes_over_a_part=True)
        return {entity.external_id: entity for entity in await self._entities(rows, lane)}

    async def read_one(self, external_id: ExternalId, lane: Lane) -> Entity | None:
        """Read one entity; None if WooCommerce itself says that it does not exist."""
        ask = partial(self._client.get, f"{self.path}/{external_id}", RAW, lane=lane, query=self._fields)
        raw = await read_single(external_id, ask)
        return None if raw is None else await self._entity(raw, lane)

    async def _some(self, ids: Sequence[ExternalId], lane: Lane) -> list[Raw]:
        """Read some entities. A row that was not asked for is left out."""
        query = {**self._fields, **self.every, "include": listed(ids), "per_page": str(MOST_INCLUDED)}
        rows = (await self._client.page(self.path, lane=lane, query=query)).rows
        return [raw for raw in with_ids(rows) if str(read_id(raw)) in ids]

    async def _entity(self, raw: Raw, lane: Lane) -> Entity:
        """Decode the answer about one entity."""
        return (await self._entities([raw], lane))[0]

    @abstractmethod
    async def _entities(self, raws: Sequence[Raw], lane: Lane) -> list[Entity]:
        """Decode entities, and read their other parts."""


def changed_since(since: float) -> dict[str, str]:
    """Return the filters for entities changed at or after `since`, in seconds since the epoch.

    Only a time without a zone, together with `dates_are_gmt`, is right in every zone (woocommerce-more.md, Time).
    """
    moment = datetime.fromtimestamp(max(0, int(since - MARGIN)), UTC)
    return {"modified_after": f"{moment:%Y-%m-%dT%H:%M:%S}", "dates_are_gmt": "true"}
