"""Finds the entities that a person means: by the platform's id, a name, or a unique key.

Both sides are asked: the store, and the ledger for entities that the store no longer has. Nothing is sent to
SparkLayer, and the person's text is neither kept nor logged.
"""

from daemon.engine.context import ConnectionContext
from daemon.errors import Rejected
from daemon.model import ExternalId, Kind, Lane
from daemon.platforms.base import BAD_ID, Match
from daemon.storage import ledger
from daemon.storage.overview import noted

ID = "id"


async def find(context: ConnectionContext, kind: Kind, text: str) -> list[Match]:
    """Return the entities that `text` may mean, each once. Raises the failures of the platform, and StorageTrouble."""
    found = [
        *await _by_id(context, kind, ExternalId(text)),
        *await context.platform.find(kind, text),
        *await _by_key(context, kind, text),
    ]
    by_id: dict[ExternalId, Match] = {}
    for match in found:
        known = by_id.setdefault(match.external_id, match)
        if match.name and not known.name:
            by_id[match.external_id] = Match(known.external_id, known.by, match.name)
    return list(by_id.values())


async def _by_id(context: ConnectionContext, kind: Kind, external_id: ExternalId) -> list[Match]:
    """Return the entity of this id if the store has it, or the database knows it."""
    about = await context.storage.read(noted, context.connection.id, kind, external_id)
    if not about.known:
        # A text that is no id of the platform is refused, or not found: it may still be a name.
        try:
            if not external_id or await context.platform.read_one(kind, external_id, Lane.LIVE) is None:
                return []
        except Rejected as refused:
            if refused.reason != BAD_ID:
                raise
            return []
    return [Match(external_id, ID)]


async def _by_key(context: ConnectionContext, kind: Kind, text: str) -> list[Match]:
    """Return the owner of a key in SparkLayer: it finds an entity that was renamed or deleted in the store."""
    writer = context.kind_states[kind].writer
    key = writer.key_of(text)
    if key is None:
        return []
    # The store finds an entity by its present names only.
    owners = await context.storage.read(ledger.owners, context.connection.id, kind, [key])
    return [Match(owner, writer.key_name) for owner in owners.values()]
