"""Metafields of the namespace `sparklayer`, which can be listed but not asked for by what they belong to.

They are read into a shelf whole when a run begins, and caught up with by their date of change from then on; the date
is BigCommerce's own, so no clock of ours matters. That one was deleted only a webhook or the next run tells: then the
metafields of what it belonged to are read again. A store that has none pays one call for a list.

The namespace is that of other platforms (inferred, the pages about BigCommerce's were not readable).
"""

from collections.abc import Mapping

from attrs import define, frozen

from daemon.errors import Missing
from daemon.model import Lane
from daemon.platforms.bigcommerce import wire
from daemon.platforms.bigcommerce.client import Client
from daemon.platforms.bigcommerce.ids import padded
from daemon.platforms.shelf import Note, Shelf

NAMESPACE = "sparklayer"
LIMIT = 250
STATE, SINCE = "", "since"
"""The owner and the name of the note that says up to when a list has been read."""


@frozen(kw_only=True)
class Source:
    """A list of metafields and the shelf it is kept on; `narrowed` is what else is asked for."""

    shelf: str
    path: str
    narrowed: Mapping[str, str]


@define
class Metafields:
    """The metafields of one sort of things."""

    _client: Client
    _shelf: Shelf
    _source: Source

    async def read_all(self) -> None:
        """Read the list whole, and forget what is no longer in it."""
        shelf = self._source.shelf
        epoch = await self._shelf.newest_epoch(shelf) + 1
        # The epoch begins before the list is asked for: what is noted meanwhile may be too new to stand in it.
        await self._shelf.put(shelf, [Note(STATE, SINCE, await self._since())], epoch)
        await self._read({}, epoch, Lane.BACKFILL, "")
        await self._shelf.sweep(shelf, epoch)

    async def catch_up(self, lane: Lane) -> set[str]:
        """Read what was changed since the list was read last; return the owners (padded ids)."""
        shelf = self._source.shelf
        since = await self._since()
        narrowed = {"date_modified:min": since} if since else {}
        return await self._read(narrowed, await self._shelf.newest_epoch(shelf), lane, since)

    async def read_again(self, owner: int, path: str, lane: Lane) -> bool:
        """Read the metafields of one thing below `path` anew; false when BigCommerce says that it does not exist."""
        shelf = self._source.shelf
        query = {"namespace": NAMESPACE, **self._source.narrowed}
        try:
            fields = await self._client.every(path, wire.METAFIELDS, lane=lane, limit=LIMIT, query=query)
        except Missing:
            await self._shelf.forget(shelf, [padded(owner)])
            return False
        await self._shelf.forget(shelf, [padded(owner)])
        notes = [Note(padded(owner), field.key, field.value) for field in fields]
        await self._shelf.put(shelf, notes, await self._shelf.newest_epoch(shelf))
        return True

    async def of(self, owners: list[int]) -> Mapping[int, Mapping[str, str]]:
        """Return the metafields of those of `owners` that have any, by owner and key."""
        found = await self._shelf.look_up(self._source.shelf, [padded(owner) for owner in owners]) if owners else {}
        return {int(owner): fields for owner, fields in found.items()}

    async def next_owner(self, after: int) -> int | None:
        """Return the first owner with a larger id than `after`."""
        owner = await self._shelf.next_owner(self._source.shelf, padded(after))
        return None if owner is None else int(owner)

    async def _since(self) -> str:
        state = await self._shelf.look_up(self._source.shelf, [STATE])
        return state.get(STATE, {}).get(SINCE, "")

    async def _read(self, narrowed: Mapping[str, str], epoch: int, lane: Lane, since: str) -> set[str]:
        query = {"namespace": NAMESPACE, **self._source.narrowed, **narrowed}
        owners: set[str] = set()
        shelf, newest = self._source.shelf, since
        async for fields in self._client.by_cursor(
            self._source.path, wire.METAFIELDS, lane=lane, limit=LIMIT, query=query
        ):
            notes = [Note(padded(field.resource_id), field.key, field.value) for field in fields]
            owners.update(note.owner for note in notes)
            newest = max([newest, *(field.date_modified for field in fields)])
            if notes:
                await self._shelf.put(shelf, [*notes, Note(STATE, SINCE, newest)], epoch)
        return owners
