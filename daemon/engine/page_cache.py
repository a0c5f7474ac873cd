"""Contents of the pages of full syncs and sweeps on their way to the actor, in memory only.

A page spares the actor a read by id, but it must not bring an older state back. So a content is used only if

* the page's transaction made the row: otherwise a change waits, and the actor reads after it;
* no row of the entity was settled since the page was requested: the actor may have pushed a newer state meanwhile;
* the row is at its first revision when claimed, under the same run: nothing was recorded since.

Otherwise, and always after a crash, the actor reads the entity by its id.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from contextlib import asynccontextmanager

import trio

from daemon.model import ExternalId, RunId
from daemon.platforms.base import Entity
from daemon.storage.outbox import Claim

FIRST_REVISION = 1


class PageCache:
    """Contents of one kind of one connection that wait to be claimed; each is given out once at most."""

    def __init__(self) -> None:
        self._contents: dict[ExternalId, tuple[RunId | None, Entity]] = {}
        self._settled: set[ExternalId] = set()
        self.reading = trio.Lock()
        self.claiming = trio.Lock()
        """Held while rows are claimed, so that no row is claimed before its content is here."""

    @asynccontextmanager
    async def one_page(self) -> AsyncIterator[None]:
        """Enclose the request of a page and all of its way into the cache. Pages of a kind come one at a time."""
        async with self.reading:
            # What was settled before was read before: this page is newer, so each page starts afresh.
            self._settled.clear()
            yield

    def settling(self, ids: Iterable[ExternalId]) -> None:
        """Note entities just before the transaction that settles them, so that no page's transaction overtakes this."""
        if self.reading.locked():
            self._settled.update(ids)

    async def fill(
        self,
        run: RunId | None,
        entities: Iterable[Entity],
        take: Callable[[], Awaitable[Collection[ExternalId] | None]],
    ) -> bool:
        """Call `take`, which makes the page's rows for `run`, or for a sweep (None), and keep the contents for them.

        `take` returns the ids of the rows that it made, or None if the run takes no pages any more. Return False then.
        """
        async with self.claiming:
            made = await take()
            if made is not None:
                usable = set(made) - self._settled
                self._contents.update(
                    (entity.external_id, (run, entity)) for entity in entities if entity.external_id in usable
                )
        return made is not None

    def take(self, claim: Claim) -> Entity | None:
        """Return the content for a claimed row, if it is still what the page said, and forget it."""
        run, entity = self._contents.pop(claim.external_id, (None, None))
        return entity if run == claim.run and claim.revision == FIRST_REVISION else None
