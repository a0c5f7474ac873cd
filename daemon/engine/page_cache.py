"""Contents of the pages of full syncs and sweeps on their way to the actor, in memory only.

A page's content is used for a row only if the page's own transaction made the row and nothing was recorded for it
since, which its first revision shows. Otherwise, and always after a crash, the actor reads the entity by its id.
"""

from collections.abc import Iterable

from daemon.model import ExternalId, RunId
from daemon.platforms.base import Entity
from daemon.storage.outbox import Claim

FIRST_REVISION = 1


class PageCache:
    """Contents waiting to be claimed; each is given out once at most."""

    def __init__(self) -> None:
        self._contents: dict[ExternalId, tuple[RunId | None, Entity]] = {}

    def put(self, run: RunId | None, entities: Iterable[Entity]) -> None:
        """Keep contents for rows that `run`, or a sweep (None), has just made."""
        for entity in entities:
            self._contents[entity.external_id] = (run, entity)

    def take(self, claim: Claim) -> Entity | None:
        """Return the content for a claimed row, if it is still what the page said, and forget it."""
        run, entity = self._contents.pop(claim.external_id, (None, None))
        return entity if run == claim.run and claim.revision == FIRST_REVISION else None
