"""Reads the entities of a batch from the platform, and maps them.

Entities that a page has just brought are not read again. The others are read together; an entity that hangs, is refused
or left out is read alone, so it delays and fails no other. A failure is noted as the outcome of its entity.
"""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import trio

from daemon.engine.batch import Batch
from daemon.engine.context import ConnectionContext
from daemon.engine.stragglers import work_off
from daemon.engine.writers.writer import Writer
from daemon.entities import Mapped, StoreFacts
from daemon.errors import MISSING_RIGHT, Failure, Forbidden, Rejected, StorageTrouble
from daemon.issues import IssueType
from daemon.model import ExternalId, Lane
from daemon.model.outcome import Outcome, Result
from daemon.platforms.base import Entity
from daemon.storage import ledger

SLOW_READ = 3.0
"""Seconds after which live changes that are read together are read in parts, and a part one by one."""

MOST_PARTS = 16

Follow = Callable[[Batch, ExternalId, Entity | None, StoreFacts], Awaitable[None]]
"""Goes on with an entity that was read after its batch had gone on."""


class BatchReader:
    """Reads and maps the batches of one kind of one connection."""

    def __init__(self, context: ConnectionContext, writer: Writer[Any, Any], follow: Follow) -> None:
        self._context = context
        self._writer = writer
        self._kind = writer.kind
        self._follow = follow

    async def read(self, batch: Batch, contents: dict[ExternalId, Entity | None], facts: StoreFacts) -> None:
        """Map all entities of a batch; those not in `contents` are read first. One that is gone maps to nothing."""
        await self._writer.take_leftovers(batch)
        wanted = [key for key in batch.claims if key not in contents and key not in batch.leftovers]
        if wanted:
            await self._read_by_id(batch, wanted, contents, facts)
        for external_id, entity in contents.items():
            await self.map(batch, external_id, entity, facts)

    async def map(self, batch: Batch, external_id: ExternalId, entity: Entity | None, facts: StoreFacts) -> None:
        """Map an entity of a batch as it was read; None is one that the platform does not have."""
        if entity is not None and entity.external_id != external_id:
            # A change of a part, such as a metafield, belongs to the entity that has the part.
            batch.outcomes[external_id] = Outcome(result=Result.UNCHANGED, next=entity.external_id)
            return
        try:
            mapped = self._context.platform.map(self._kind, entity, facts) if entity else Mapped[Any](value=None)
        except Exception as error:  # noqa: BLE001  the entity's edge: settled as broken, with its traceback
            await self._fail_reading(batch, external_id, error)
            return
        batch.mapped[external_id] = mapped
        if entity is None:
            batch.gone.add(external_id)
        if mapped.value is None and mapped.issues:
            # An odd value is no reason to remove the good one that SparkLayer has.
            batch.outcomes[external_id] = Outcome(result=Result.REJECTED)

    async def _read_by_id(
        self,
        batch: Batch,
        wanted: Sequence[ExternalId],
        contents: dict[ExternalId, Entity | None],
        facts: StoreFacts,
    ) -> None:
        """Read entities by their ids. Being left out proves nothing: each missing entity is asked for alone."""
        # An entity whose read hangs must not delay the others; a read that only waits for the throttle does not hang.
        waiting = sum(self._context.platform.limiter.statistics().waiting.values())
        limit = SLOW_READ if batch.lane is Lane.LIVE and len(wanted) > 1 and not waiting else math.inf
        answer = await self._list(batch, wanted, limit)
        if answer is not None:
            contents.update(answer)
        # One part holds the entity that hangs, or that is forbidden; the others go on.
        number = min(len(wanted), MOST_PARTS)
        left_out = [[key] for key in wanted if key not in contents and key not in batch.outcomes]
        parts = left_out if answer is not None else [wanted[place::number] for place in range(number)]

        async def read_part(part: Sequence[ExternalId]) -> None:
            # After an answer, each part has one entity that it left out.
            listed = answer if len(part) == 1 else await self._list(batch, part, limit)
            async with trio.open_nursery() as nursery:
                for external_id in part:
                    if external_id not in batch.outcomes:
                        nursery.start_soon(read_one, external_id, listed)

        async def read_one(external_id: ExternalId, listed: Mapping[ExternalId, Entity] | None) -> None:
            platform = self._context.platform
            try:
                found = listed if listed is not None else await platform.read(self._kind, [external_id], batch.lane)
                entity = found.get(external_id) or await platform.read_one(self._kind, external_id, batch.lane)
                if external_id in batch.late:
                    await self._follow(batch, external_id, entity, facts)
                else:
                    contents[external_id] = entity
            except Exception as error:  # noqa: BLE001  the entity's edge: a bug is settled as one
                await self._fail_reading(batch, external_id, error)
            batch.come_in(external_id)

        if batch.background is None:  # a person who asks for an explanation waits
            for part in parts:
                await read_part(part)
            return
        late = await work_off(batch.background, parts, read_part)
        batch.late.update(key for part in late for key in part if key not in contents and key not in batch.outcomes)

    async def _list(self, batch: Batch, ids: Sequence[ExternalId], limit: float) -> Mapping[ExternalId, Entity] | None:
        """Read entities together; None if that takes longer than `limit` seconds, or may be refused for one of them.

        Any other failure is noted as that of each entity, with no entities returned.
        """
        try:
            with trio.move_on_after(limit):
                return await self._context.platform.read(self._kind, ids, batch.lane)
        except Failure as error:
            if len(ids) > 1 and _may_be_of_one(error):
                return None
            for external_id in ids:
                await self._fail_reading(batch, external_id, error)
                batch.come_in(external_id)
            return {}
        return None

    async def _fail_reading(self, batch: Batch, external_id: ExternalId, error: Exception) -> None:
        """Note that an entity could not be read. If it alone is forbidden, and is SparkLayer's, that is an issue."""
        if not (isinstance(error, Rejected) and _may_be_of_one(error)):
            batch.fail(external_id, error)
            return
        context = self._context
        try:
            known = await context.storage.read(ledger.look_up, context.connection.id, self._kind, [external_id])
        except StorageTrouble as trouble:
            batch.fail(external_id, trouble)
            return
        batch.outcomes[external_id] = Outcome(result=Result.REJECTED)
        if self._writer.partial and not known:
            return  # most likely an entity that SparkLayer does not want
        issue = IssueType.NOT_SHOWN.issue(platform=context.platform_type.label, words=str(error).rstrip(" ."))
        batch.mapped[external_id] = Mapped(value=None, issues=(issue,), name=external_id)


def _may_be_of_one(error: Failure) -> bool:
    """Return whether a read was refused with a 403, which may concern one entity only."""
    return isinstance(error, Forbidden | Rejected) and error.reason in MISSING_RIGHT
