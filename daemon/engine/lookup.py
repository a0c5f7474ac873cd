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
    found: list[Match] = []
    about = await context.storage.read(noted, context.connection.id, kind, ExternalId(text))
    try:
        if about.known or (text and await context.platform.read_one(kind, ExternalId(text), Lane.LIVE) is not None):
            found.append(Match(ExternalId(text), ID))
    except Rejected as refused:
        # A text that is no id of the platform is refused, or not found: it may still be a name.
        if refused.reason != BAD_ID:
            raise
    found += await context.platform.find(kind, text)
    # The store finds an entity by its present names only. The owner of a key in SparkLayer may have been renamed, or
    # deleted there.
    writer = context.kind_states[kind].writer
    if (key := writer.key_of(text)) is not None:
        owners = await context.storage.read(ledger.owners, context.connection.id, kind, [key])
        found += [Match(owner, writer.key_name) for owner in owners.values()]
    by_id: dict[ExternalId, Match] = {}
    for match in found:
        known = by_id.setdefault(match.external_id, match)
        if match.name and not known.name:
            by_id[match.external_id] = Match(known.external_id, known.by, match.name)
    return list(by_id.values())
