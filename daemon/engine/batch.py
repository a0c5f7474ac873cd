"""A batch on its way from reading to settling. Each station adds its results."""

from collections.abc import Mapping
from typing import Any

import trio
from attrs import define, field

from daemon.engine.signal import Signal
from daemon.entities import Mapped
from daemon.model import ExternalId, Lane, VariantId
from daemon.model.outcome import Outcome, Result, Row
from daemon.storage.outbox import Claim


@define
class Batch:
    """The claims of one kind and lane, the values that were read for them, and their outcomes."""

    claims: dict[ExternalId, Claim]
    lane: Lane
    claimed_at: float
    """Time (seconds since the epoch) at which the batch was begun."""
    background: trio.Nursery | None = None
    refreshing: frozenset[ExternalId] = frozenset()
    """Entities that are written even if the ledger says that SparkLayer has them."""
    mapped: dict[ExternalId, Mapped[Any]] = field(factory=dict)
    outcomes: dict[ExternalId, Outcome] = field(factory=dict)
    rows: Mapping[ExternalId, Row] = field(factory=dict)
    """The ledger's rows."""
    leftovers: set[ExternalId] = field(factory=set)
    """Things left in SparkLayer that are no entities of the platform."""
    gone: set[ExternalId] = field(factory=set)
    """Entities that the platform does not have."""
    kept: dict[ExternalId, set[VariantId]] = field(factory=dict)
    """Variants that vanished and must not be removed now."""
    removing: set[ExternalId] = field(factory=set)
    """Entities that lose something in SparkLayer."""
    wanted: set[ExternalId] = field(factory=set)
    """Other entities that this batch needs: they are looked at next."""
    missing: set[ExternalId] = field(factory=set)
    """Entities that SparkLayer lacks although the ledger is sure of them: they are written again."""
    late: set[ExternalId] = field(factory=set)
    """Entities still worked on in the background: their outcomes are not final before they come in."""
    came_in: Signal = field(factory=Signal)
    """Set when an outcome comes in, and when the write of a late entity ends."""
    settled: set[ExternalId] = field(factory=set)
    push_at: dict[ExternalId, float] = field(factory=dict)
    """Time at which the reading of an entity was over."""

    @property
    def nursery(self) -> trio.Nursery:
        """Nursery of late work. A batch that is only explained has none."""
        assert self.background is not None
        return self.background

    def come_in(self, *ids: ExternalId) -> None:
        """Note that the outcomes of late entities are final."""
        self.late.difference_update(ids)
        self.came_in.set()

    def take_over(self, part: "Batch") -> None:
        """Add the results of a part of this batch."""
        self.mapped.update(part.mapped)
        self.outcomes.update(part.outcomes)
        self.rows = {**self.rows, **part.rows}
        self.leftovers |= part.leftovers
        self.gone |= part.gone
        self.kept |= part.kept  # a part shares no entity with the rest
        self.removing |= part.removing
        self.wanted |= part.wanted
        self.missing |= part.missing
        self.push_at |= part.push_at

    def ready(self) -> dict[ExternalId, Outcome]:
        """Return the outcomes that are final and not settled yet."""
        passed = self.settled | self.late
        return {external_id: outcome for external_id, outcome in self.outcomes.items() if external_id not in passed}

    def fail(self, external_id: ExternalId, failure: Exception) -> None:
        """Note that an entity must be retried because of `failure`."""
        self.outcomes[external_id] = Outcome(result=Result.RETRIED, failure=failure)

    def failed(self, external_id: ExternalId) -> bool:
        """Return True if an entity is known not to have been written: it is retried, or was refused."""
        outcome = self.outcomes.get(external_id)
        return outcome is not None and (outcome.failure is not None or outcome.result is Result.REJECTED)

    def concerns_merchant(self, external_id: ExternalId) -> bool:
        """Return True if the entity is, was or should be in SparkLayer: the sync-log reports no others."""
        mapped = self.mapped.get(external_id)
        if external_id in self.leftovers:
            return False
        return external_id in self.rows or (mapped is not None and mapped.value is not None)
