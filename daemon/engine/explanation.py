"""Explains an entity's state in SparkLayer to a person who asks, without sending anything."""

from collections.abc import Sequence
from typing import Any

import msgspec
from attrs import frozen

from daemon.entities import Mapped
from daemon.model import ExternalId
from daemon.model.outcome import Row


@frozen
class Step:
    """One thing that would be sent, and the reason."""

    what: str
    why: str


NEVER_TOLD = "SparkLayer was never told of it"
UNSURE = "an earlier attempt was not confirmed, so what SparkLayer has is unsure"
DIFFERS = "it differs from what SparkLayer was last told"
GONE = "it is gone from the store, or must not be in SparkLayer"
HELD = "its removal waits for a person; see: ignite-sync removals list"


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
