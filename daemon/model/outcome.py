"""The result of one entity: noted by its writer, settled by the storage.

There is one class from the diff to the commit. What the database keeps of an entity, its ledger row and its issue, are
values here too, so that the pure parts of the writers can make them.
"""

from typing import Literal

from attrs import field, frozen

from daemon.entities import Issue
from daemon.model import ExternalId, Key

Result = Literal["unchanged", "written", "removed", "held", "rejected", "retried", "parked", "broken"]


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
    """Unique keys that it wants and another entity owns. Their owners are looked at next: perhaps they give them up."""
    awaits: frozenset[ExternalId] = frozenset()
    """Entities that must be confirmed before this one is looked at again."""
    circles: ExternalId | None = None
    """Its parent, if the parents from there lead back to the entity."""
    parent: bool = False
    """True if other entities may wait for this one."""
    follows: ExternalId | None = None
    """The parent that SparkLayer was told of; see `daemon.storage.families`."""
    next: ExternalId | None = None
    """The entity that this one belongs to: it is looked at instead."""
