"""Answers a person who asks for an entity: which one is meant, and what its state in SparkLayer is.

An entity is found by the platform's id, a name, or a unique key. Both sides are asked: the store, and the ledger for
entities that the store no longer has. Nothing is sent to SparkLayer, and the person's text is neither kept nor logged.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from attrs import frozen

from daemon.engine.context import ConnectionContext
from daemon.engine.writers.job import Step
from daemon.entities import Mapped
from daemon.errors import Rejected
from daemon.model import ExternalId, Kind, Lane
from daemon.model.outcome import Row
from daemon.platforms.base import BAD_ID, Match
from daemon.storage import ledger
from daemon.storage.overview import noted

ID = "id"
HELD = "its removal waits for a person; see: ignite-sync removals list"


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


@frozen(kw_only=True)
class Explanation:
    """The store's value of an entity (None: it could not be read), the ledger's row, and the steps that would follow.

    `trouble` is why the entity could not be read or mapped, `belongs_to` the entity that is looked at instead. `gone`:
    the store does not have it.
    """

    mapped: Mapped[Any] | None
    row: Row | None
    steps: Sequence[Step] = ()
    trouble: str | None = None
    belongs_to: ExternalId | None = None
    gone: bool = False

    @property
    def ledger_content(self) -> Any:
        """The ledger's parts, with "told" or "unsure" in place of fingerprints."""
        return None if self.row is None else _shown(msgspec.msgpack.decode(self.row.parts))


def _shown(content: Any) -> Any:
    if isinstance(content, dict):
        return {name: _shown(value) for name, value in content.items()}
    if isinstance(content, list):
        return [_shown(value) for value in content]
    if isinstance(content, bytes):
        return "told"
    return "unsure" if content is None else content
