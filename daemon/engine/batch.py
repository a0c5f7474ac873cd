"""A batch on its way from reading to settling, and the jobs and the plan that a writer makes of it.

Each station adds its results to the batch. A `Job` is an entity that must be written: its value and what SparkLayer
was last told. A `BatchPlan` is what is done about a batch of jobs, and how far that has come. The ledger keeps, beside
a fingerprint, the ids needed to write an entity again and to remove it: its *parts*, a small class of the kind's own.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Generic, Protocol, TypeVar

import msgspec
import trio
from attrs import define, field, frozen

from daemon.engine.explanation import DIFFERS, GONE, NEVER_TOLD, UNSURE
from daemon.engine.signal import Signal
from daemon.entities import Mapped
from daemon.model import ExternalId, Key, Lane, VariantId
from daemon.model.outcome import Outcome, Result, Row
from daemon.storage.outbox import Claim

V = TypeVar("V")
P = TypeVar("P")

encoded = msgspec.msgpack.Encoder().encode
"""Returns parts as the ledger keeps them."""


class Task(Protocol):
    """One entity on its way to SparkLayer: a job, or what is planned for one."""

    @property
    def external_id(self) -> ExternalId:
        """The entity's id."""
        ...


T = TypeVar("T", bound=Task)


@frozen(kw_only=True)
class Job(Generic[V, P]):
    """One entity: the value that SparkLayer should hold (None: nothing), and the parts that it was last told of.

    `attempts` counts the failed ones before. `unsure`: the last write was not confirmed.
    """

    external_id: ExternalId
    value: V | None
    fingerprint: bytes | None = None
    before: P | None
    attempts: int = 0
    unsure: bool = False  # not told by `before`, whose parts are the same whether confirmed or not

    @property
    def why(self) -> str:
        """The reason for the write, for a person."""
        if self.before is None:
            return NEVER_TOLD
        # The most telling reason: what is gone, or unsure, differs as well.
        return GONE if self.value is None else UNSURE if self.unsure else DIFFERS

    @property
    def confirmed(self) -> bool:
        """True if SparkLayer certainly had the entity before this job."""
        return self.before is not None and not self.unsure

    def row(self, parts: P, *, sure: bool = True) -> Row:
        """Return the ledger's row once SparkLayer has the value, or while that is unsure."""
        return Row(self.external_id, self.fingerprint if sure else None, encoded(parts))


@define(kw_only=True)
class BatchPlan(Generic[T]):
    """Tasks of a batch, and the stages in which they are sent, one after the other.

    A task may be in two stages: the first write then makes room for others, and only the last one has its value.
    `rows` are the ledger's for the time of sending: all that SparkLayer may hold. `claims` has the entity that owns
    each key after the batch, `owners` the present one. Entities in `lost` want keys of others and are not written.
    """

    tasks: Mapping[ExternalId, T]
    stages: Sequence[Sequence[T]]
    rows: Sequence[Row]
    claims: Mapping[Any, ExternalId] = field(factory=dict)
    owners: Mapping[Any, ExternalId] = field(factory=dict)
    lost: Mapping[ExternalId, AbstractSet[Key]] = field(factory=dict)
    errors: dict[ExternalId, Exception] = field(factory=dict, init=False)
    """Why entities were not written. Outcomes have only the words of a refusal; a writer's `finish` needs its class."""
    late: set[ExternalId] = field(factory=set, init=False)
    """Entities whose writes go on in the background."""
    apart: set[ExternalId] = field(factory=set, init=False)
    """Entities that `finish` goes on with in the background, and whose outcomes it notes later."""
    came_in: Signal = field(factory=Signal, init=False)
    """Set when the write of a late entity ends."""


def by_id(tasks: Iterable[T]) -> dict[ExternalId, T]:
    """Return tasks by the ids of their entities."""
    return {task.external_id: task for task in tasks}


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
