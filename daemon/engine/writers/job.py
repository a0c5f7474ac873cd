"""The values that a writer's loop works on, the same for every kind. Pure.

A `Job` is an entity that must be written: its value and what SparkLayer was last told. A `BatchPlan` is what is done
about a batch of jobs, and how far that has come. The ledger keeps, beside a fingerprint, the ids needed to write an
entity again and to remove it: its *parts*, a small class of the kind's own.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from attrs import define, field, frozen

from daemon.model import ExternalId, Key
from daemon.model.outcome import Row

V = TypeVar("V")
P = TypeVar("P")

NEVER_TOLD = "SparkLayer was never told of it"
UNSURE = "an earlier attempt was not confirmed, so what SparkLayer has is unsure"
DIFFERS = "it differs from what SparkLayer was last told"
GONE = "it is gone from the store, or must not be in SparkLayer"

encoded = msgspec.msgpack.Encoder().encode
"""Returns parts as the ledger keeps them."""


@frozen
class Step:
    """One thing that would be sent, and the reason."""

    what: str
    why: str


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


def by_id(tasks: Iterable[T]) -> dict[ExternalId, T]:
    """Return tasks by the ids of their entities."""
    return {task.external_id: task for task in tasks}
