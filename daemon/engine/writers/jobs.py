"""The entities of a batch that must be written, for kinds of which each entity has one print in the ledger.

What the ledger keeps beside the print, the ids needed to write again and to remove, is a small class of the kind's
own, its *parts*. Entities that SparkLayer has as they are, or that it never had and shall not have, are settled here.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec
from attrs import frozen

from daemon.engine.batch import Batch
from daemon.engine.context import ConnectionContext
from daemon.engine.explanation import DIFFERS, GONE, NEVER_TOLD, UNSURE
from daemon.engine.stragglers import work_off
from daemon.errors import Rejected, Retry
from daemon.issues import refused
from daemon.model import ExternalId, Kind
from daemon.model.outcome import Outcome, Row
from daemon.storage import ledger

V = TypeVar("V")
P = TypeVar("P")

CONCURRENCY = 8

_encode = msgspec.msgpack.Encoder().encode


@frozen(kw_only=True)
class Job(Generic[V, P]):
    """One entity: what SparkLayer shall hold (None: nothing) with its print, and what it was last told (None: nothing).

    `attempts` is how often it was tried in vain before; `unsure` says that the last time was not confirmed.
    """

    external_id: ExternalId
    value: V | None
    fingerprint: bytes | None
    before: P | None
    attempts: int
    unsure: bool = False

    @property
    def why(self) -> str:
        """Why it must be written."""
        if self.before is None:
            return NEVER_TOLD
        return GONE if self.value is None else UNSURE if self.unsure else DIFFERS

    @property
    def confirmed(self) -> bool:
        """Whether SparkLayer surely had it before this job."""
        return self.before is not None and not self.unsure

    def row(self, parts: P, *, sure: bool = True) -> Row:
        """Return the ledger's row once SparkLayer has the value, or while that is unsure."""
        return Row(self.external_id, self.fingerprint if sure else None, _encode(parts))


def find_jobs(
    batch: Batch, parts: type[P], fingerprint: Callable[[Any], bytes], instead: Mapping[ExternalId, Any] | None = None
) -> list[Job[Any, P]]:
    """Return what of `batch` must be written, and note the outcome on the rest.

    `instead` has the values of entities that are written otherwise than they are mapped.
    """
    todo = {key: mapped for key, mapped in batch.mapped.items() if key not in batch.outcomes}
    decoder = msgspec.msgpack.Decoder(parts)
    jobs: list[Job[Any, P]] = []
    for external_id, mapped in todo.items():
        row, value = batch.rows.get(external_id), (instead or {}).get(external_id, mapped.value)
        now = None if value is None else fingerprint(value)
        equal = row is None if now is None else row is not None and row.fingerprint == now
        if equal and (now is None or external_id not in batch.refreshing):
            batch.outcomes[external_id] = Outcome(result="unchanged")
            continue
        before = decoder.decode(row.parts) if row else None
        attempts = batch.claims[external_id].attempts
        jobs.append(
            Job(
                external_id=external_id,
                value=value,
                fingerprint=now,
                before=before,
                attempts=attempts,
                unsure=row is not None and row.fingerprint is None,
            )
        )
    return jobs


async def carry_out(
    batch: Batch, jobs: Iterable[Job[V, P]], send: Callable[[Job[V, P]], Awaitable[Outcome]], *, last: bool = True
) -> None:
    """Send jobs, a few at a time, and note the outcome on each; the words of a refusal are an issue.

    Jobs that take long go on in the background. One that is late with a step that is not its `last` is tried again.
    """

    async def work(job: Job[V, P]) -> None:
        external_id = job.external_id
        try:
            batch.outcomes[external_id] = await send(job)
        except Rejected as error:
            issues = (refused(str(error)),)
            batch.outcomes[external_id] = Outcome(result="rejected", issues=issues)
        except Exception as error:  # noqa: BLE001  the entity's edge: the pipeline logs and counts it
            batch.fail(external_id, error)
        if external_id in batch.late:
            if not last and not batch.failed(external_id):
                batch.fail(external_id, Retry("a first step took too long", reason="late"))
            batch.come_in(external_id)

    todo = [job for job in jobs if job.external_id not in batch.late]
    late = await work_off(batch.nursery, todo, work, concurrency=CONCURRENCY)
    batch.late.update(job.external_id for job in late)


async def mark_unsure(context: ConnectionContext, kind: Kind, rows: Sequence[Row]) -> None:
    """Note that what is about to be sent is unsure. Raises StorageTrouble."""
    if rows:
        mark = ledger.Mark[str](connection_id=context.connection.id, kind=kind, rows=rows)
        await context.storage.write(ledger.mark, mark)
