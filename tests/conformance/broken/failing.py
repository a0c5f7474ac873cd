"""Adapters that make the wrong thing of trouble, or do not let go."""

from collections.abc import Mapping, Sequence
from typing import Any

import trio

from daemon.entities import StoreFacts
from daemon.errors import Blocked, Failure, Rejected, Retry
from daemon.model import ExternalId, Kind, Lane
from daemon.platforms.base import Entity
from tests.conformance.broken.base import Broken


class Failing(Broken):
    """Does something to every failure of reading."""

    def changed(self, error: Failure) -> Exception:
        return error

    async def facts(self) -> StoreFacts:
        try:
            facts: StoreFacts = await self.real.facts()
        except Failure as error:
            raise self.changed(error) from None
        return facts

    async def read(self, kind: Kind, ids: Sequence[ExternalId], lane: Lane) -> Mapping[ExternalId, Entity]:
        try:
            found: Mapping[ExternalId, Entity] = await self.real.read(kind, ids, lane)
        except Failure as error:
            raise self.changed(error) from None
        return found


class RejectsWhatPasses(Failing):
    def changed(self, error: Failure) -> Exception:
        return Rejected(str(error), reason=error.reason)


class KnowsTheEffect(Failing):
    def changed(self, error: Failure) -> Exception:
        return Retry(str(error), reason=error.reason, after=error.after) if isinstance(error, Retry) else error


class KeepsRetryAfterToItself(Failing):
    def changed(self, error: Failure) -> Exception:
        return Retry(str(error), reason=error.reason) if isinstance(error, Retry) else error


class RetriesVoidCredentials(Failing):
    def changed(self, error: Failure) -> Exception:
        return Retry(str(error), reason=error.reason) if isinstance(error, Blocked) else error


class IsNeverTired(Broken):
    """Waits for ever, and begins anew."""

    async def facts(self) -> StoreFacts:
        while True:
            try:
                facts: StoreFacts = await self.real.facts()
            except Retry:
                await trio.sleep(1000)
            else:
                return facts


class SaysAllIsWell(Broken):
    async def probe(self) -> None:
        try:
            await self.real.probe()
        except Failure:
            return


class LocksItselfOut(Broken):
    """Has a lock that a cancelled call keeps."""

    def __init__(self, real: Any) -> None:
        super().__init__(real)
        self.free = trio.Semaphore(1)

    async def facts(self) -> StoreFacts:
        await self.free.acquire()
        facts: StoreFacts = await self.real.facts()
        self.free.release()
        return facts


class CannotBeCancelled(Broken):
    async def facts(self) -> StoreFacts:
        try:
            facts: StoreFacts = await self.real.facts()
        except trio.Cancelled:
            return StoreFacts(currency="USD", weight_unit="LBS")
        return facts


class ShowsAnotherLimiter(Broken):
    """One through which nothing goes."""

    @property
    def limiter(self) -> Any:
        return type(self.real)(self.real._settings).limiter
