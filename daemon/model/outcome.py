"""The outcome of one entity: made by its writer, settled by the storage.

One class goes from the diff to the commit. The rows that the database keeps of an entity, in the ledger and of its
issue, are values here too, so that the pure parts of the writers can make them.
"""

from enum import StrEnum

from attrs import field, frozen

from daemon.entities import Issue
from daemon.model import ExternalId, Key


class Result(StrEnum):
    """Result of working on one entity."""

    UNCHANGED = "unchanged"
    WRITTEN = "written"
    REMOVED = "removed"
    HELD = "held"
    REJECTED = "rejected"
    RETRIED = "retried"
    PARKED = "parked"
    BROKEN = "broken"


@frozen
class Row:
    """An entity's row in the ledger. A `fingerprint` of None is unsure: it differs from everything."""

    external_id: ExternalId
    fingerprint: bytes | None
    parts: bytes = field(repr=False)


@frozen
class IssueRow:
    """An issue as it is stored: the fingerprint of its text, and the encrypted text."""

    fingerprint: bytes
    encrypted: bytes = field(repr=False)


@frozen(kw_only=True)
class Outcome:
    """The outcome of one entity. With `failure` it must be tried again, or its connection is blocked."""

    result: Result
    failure: Exception | None = None
    issues: tuple[Issue, ...] = ()
    row: Row | None = None
    """The new ledger row. None keeps the present one; with the result `removed` it is deleted."""
    released: frozenset[Key] = frozenset()
    """Unique keys that the entity gave up."""
    waits_for: frozenset[Key] = frozenset()
    """Unique keys owned by another entity. The owners are looked at next: perhaps they give them up."""
    awaits: frozenset[ExternalId] = frozenset()
    """Parents that must be confirmed before this entity is looked at again."""
    circles: ExternalId | None = None
    """The entity's parent, if the parents from there lead back to the entity."""
    parent: bool = False
    """True if the entity may be the parent of others."""
    follows: ExternalId | None = None
    """The parent under which SparkLayer has the entity."""
    next: ExternalId | None = None
    """The entity that this one belongs to: it is looked at instead."""
    again_after: float | None = None
    """Seconds after which the entity is looked at again, even if nothing changes."""
