"""A batch on its way from reading to settling, and who writes it: each station adds what it found out."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import trio
from attrs import define, field, frozen

from daemon.engine.explanation import Explanation, Step
from daemon.engine.signal import Signal
from daemon.entities import Mapped
from daemon.model import ExternalId, Kind, Lane, VariantId
from daemon.model.outcome import Outcome, Row
from daemon.storage.outbox import Claim


@define
class Batch:
    """The claims of one kind and lane. `mapped` has what was read of them, `outcomes` what became of each.

    `refreshing` are those that are written whatever the ledger says. `wanted` are entities that turned out to be
    needed besides: they are looked at next. So are those in `missing`, which SparkLayer does not have
    whatever the ledger says: they are written anew.

    `late` are those that are still worked on in `background` after `write` has returned: their outcomes are not final
    before they `come_in`, which `came_in` tells.
    """

    claims: dict[ExternalId, Claim]
    lane: Lane
    background: trio.Nursery | None = None
    refreshing: frozenset[ExternalId] = frozenset()
    mapped: dict[ExternalId, Mapped[Any]] = field(factory=dict)
    outcomes: dict[ExternalId, Outcome] = field(factory=dict)
    rows: Mapping[ExternalId, Row] = field(factory=dict)
    """The ledger's, of those that have one."""
    leftovers: set[ExternalId] = field(factory=set)
    """Those that are no entities of the platform, but what SparkLayer has left."""
    gone: set[ExternalId] = field(factory=set)
    """Those that the platform does not have."""
    kept: dict[ExternalId, set[VariantId]] = field(factory=dict)
    """Variants that vanished and must not be removed now."""
    removing: set[ExternalId] = field(factory=set)
    """Those that lose something in SparkLayer."""
    wanted: set[ExternalId] = field(factory=set)
    missing: set[ExternalId] = field(factory=set)
    late: set[ExternalId] = field(factory=set)
    came_in: Signal = field(factory=Signal)
    settled: set[ExternalId] = field(factory=set)

    @property
    def nursery(self) -> trio.Nursery:
        """Nursery of late writes. Only for a batch that is worked on, not one that is explained."""
        assert self.background is not None
        return self.background

    def come_in(self, *ids: ExternalId) -> None:
        """Note that the outcomes on late entities are final."""
        self.late.difference_update(ids)
        self.came_in.set()

    def take_over(self, part: "Batch") -> None:
        """Add all that was found out about a part of this batch."""
        self.mapped.update(part.mapped)
        self.outcomes.update(part.outcomes)
        self.rows = {**self.rows, **part.rows}
        self.leftovers |= part.leftovers
        self.gone |= part.gone
        self.kept |= part.kept
        self.removing |= part.removing
        self.wanted |= part.wanted
        self.missing |= part.missing

    def ready(self) -> dict[ExternalId, Outcome]:
        """Return the outcomes that are final and not settled yet."""
        done = self.settled | self.late
        return {external_id: outcome for external_id, outcome in self.outcomes.items() if external_id not in done}

    def came_by_sweep(self, external_id: ExternalId) -> bool:
        """Whether no webhook and no full sync has asked for the entity."""
        return self.lane is Lane.BACKFILL and self.claims[external_id].run is None

    def fail(self, external_id: ExternalId, failure: Exception) -> None:
        """Note that an entity must be tried again."""
        self.outcomes[external_id] = Outcome(result="retried", failure=failure)

    def failed(self, external_id: ExternalId) -> bool:
        """Whether an entity is known not to have been written: it is tried again, or refused."""
        outcome = self.outcomes.get(external_id)
        return outcome is not None and (outcome.failure is not None or outcome.result == "rejected")

    def explanation(self, external_id: ExternalId, steps: Sequence[Step]) -> Explanation:
        """Return what was found out about an entity that is explained; `steps` are what would be sent."""
        outcome = self.outcomes.get(external_id)
        return Explanation(
            mapped=self.mapped.get(external_id),
            row=self.rows.get(external_id),
            steps=steps,
            trouble=str(outcome.failure) if outcome and outcome.failure else None,
            belongs_to=outcome.next if outcome else None,
            gone=external_id in self.gone,
        )

    def concerns_merchant(self, external_id: ExternalId) -> bool:
        """Whether the entity is, was or shall be in SparkLayer: of others the sync-log is told nothing."""
        mapped = self.mapped.get(external_id)
        if external_id in self.leftovers:
            return False
        return external_id in self.rows or (mapped is not None and mapped.value is not None)


@frozen
class Variants:
    """The variants that an entity has, and those that SparkLayer has and it lost, with their SKUs."""

    there: frozenset[VariantId] = frozenset()
    vanished: Mapping[VariantId, str] = field(factory=dict)


class Writer(Protocol):
    """Writes the entities of one kind to SparkLayer."""

    kind: Kind
    partial: bool
    """True if many of the platform's entities may not be SparkLayer's; reading them shows which."""

    def variants(self, _value: Any, _row: Row, /) -> Variants:
        """Return the variants of an entity's value, and those that SparkLayer has besides, by the ledger's row."""
        ...

    async def take_leftovers(self, batch: Batch) -> None:
        """Map what is no entity of the platform, and note it in `batch.leftovers`. Raises StorageTrouble."""
        ...

    async def prepare(self) -> None:
        """See to what the kind needs on the site before anything is read for it. Raises the failures of SparkLayer."""
        ...

    async def write(self, batch: Batch) -> None:
        """Send what differs from the ledger, and note the outcome of each of `batch.mapped` without one.

        What is about to be sent is marked unsure first. Raises StorageTrouble; failures of either side are outcomes.
        Entities that take long are left in `batch.late`.
        """
        ...

    async def explain(self, batch: Batch) -> Sequence[Step]:
        """Tell what `write` would send for the one entity of `batch`, and why. Sends nothing, and marks nothing."""
        ...


class WithoutVariants:
    """The writer of a kind whose entities are removed as a whole."""

    def variants(self, _value: Any, _row: Row, /) -> Variants:
        """Return none."""
        return Variants()

    async def take_leftovers(self, batch: Batch) -> None:
        """Take none."""
