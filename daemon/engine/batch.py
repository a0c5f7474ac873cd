"""A batch on its way from reading to settling, and who writes it: each station adds what it found out."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from attrs import define, field, frozen

from daemon.engine.explanation import Step
from daemon.engine.verdict import Verdict
from daemon.model import ExternalId, Kind, Lane, Mapped, VariantId
from daemon.storage.ledger import Row
from daemon.storage.outbox import Claim


@define
class Batch:
    """The claims of one kind and lane. `mapped` has what was read of them, `verdicts` what became of each.

    `refreshing` are those that are written whatever the ledger says. `wanted` are entities that turned out to be
    needed besides: they are looked at next. So are those in `missing`, which SparkLayer does not have
    whatever the ledger says: they are written anew.
    """

    claims: dict[ExternalId, Claim]
    lane: Lane
    refreshing: frozenset[ExternalId] = frozenset()
    mapped: dict[ExternalId, Mapped[Any]] = field(factory=dict)
    verdicts: dict[ExternalId, Verdict] = field(factory=dict)
    rows: Mapping[ExternalId, Row] = field(factory=dict)
    """The ledger's, of those that have one."""
    gone: set[ExternalId] = field(factory=set)
    """Those that the platform does not have."""
    kept: dict[ExternalId, set[VariantId]] = field(factory=dict)
    """Variants that vanished and must not be removed now."""
    removing: set[ExternalId] = field(factory=set)
    """Those that lose something in SparkLayer."""
    wanted: set[ExternalId] = field(factory=set)
    missing: set[ExternalId] = field(factory=set)

    def came_by_sweep(self, external_id: ExternalId) -> bool:
        """Whether no webhook and no full sync has asked for the entity."""
        return self.lane is Lane.BACKFILL and self.claims[external_id].run is None

    def fail(self, external_id: ExternalId, failure: Exception) -> None:
        """Note that an entity must be tried again."""
        self.verdicts[external_id] = Verdict(outcome="retried", failure=failure)

    def failed(self, external_id: ExternalId) -> bool:
        """Whether an entity is known not to have been written: it is tried again, or refused."""
        verdict = self.verdicts.get(external_id)
        return verdict is not None and (verdict.failure is not None or verdict.outcome == "rejected")

    def concerns_merchant(self, external_id: ExternalId) -> bool:
        """Whether the entity is, was or shall be in SparkLayer: of others the sync-log is told nothing."""
        mapped = self.mapped.get(external_id)
        return external_id in self.rows or (mapped is not None and mapped.value is not None)


@frozen
class Variants:
    """The variants that an entity has, and those that SparkLayer has and it lost, with their SKUs."""

    there: frozenset[VariantId] = frozenset()
    vanished: Mapping[VariantId, str] = field(factory=dict)


class Writer(Protocol):
    """Writes the entities of one kind to SparkLayer."""

    kind: Kind

    def variants(self, _value: Any, _row: Row, /) -> Variants:
        """Return the variants of an entity's value, and those that SparkLayer has besides, by the ledger's row."""
        ...

    async def prepare(self) -> None:
        """See to what the kind needs on the site before anything is read for it. Raises the failures of SparkLayer."""
        ...

    async def write(self, batch: Batch) -> None:
        """Send what differs from the ledger, and note the verdict on each of `batch.mapped` without one.

        What is about to be sent is marked unsure first. Raises StorageTrouble; failures of either side are verdicts.
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
