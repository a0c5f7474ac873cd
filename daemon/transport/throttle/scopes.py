"""Judges what a 403 of an API means: a right that is missing, or one entity that is refused.

Rights are judged per operation. After the first 403 one call of the operation goes at a time. One succeeds: the 403s
until then belong to their entities. Three different entities are refused with no success between: the right is
missing. Then one call goes per step of a growing pause, each for another entity, until one succeeds.

A call may be for many entities. Calls that share one count as one, since that one may be the reason of all.

A call that concerns no entity but the store or the site as a whole has no other to compare with: a second, separate
refusal decides. An entity that nobody shares its operation with is judged by itself in the end (`LONELY_TRIES`).
"""

from collections.abc import AsyncIterator, Callable, Hashable, Iterable
from contextlib import asynccontextmanager
from math import inf

import trio
from attrs import define, evolve, field, frozen

from daemon.errors import Blocked, Failure, Forbidden, Rejected

DIFFERENT_ENTITIES = 3
SEPARATE_SECONDS = 2.0
"""Seconds between the two refusals that decide where there is no other entity."""

LONELY_TRIES = 4
LONELY_SECONDS = 600.0
GRANTED_SECONDS = 86_400.0
"""An entity refused so often, over so long a time, though some operation succeeded within a day before: its own."""

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 300.0
GRACE = 0.5
"""Seconds for which an entity that was refused already leaves the next call to another one."""

MOST_KNOWN = 1000
"""Entities remembered per operation because they alone are refused; then the oldest is judged again."""


Entities = frozenset[Hashable]
"""The entities of a call; empty for the store or the site as a whole."""


@frozen
class _Refused:
    since: float
    times: int = 0


@define(eq=False)
class _Operation:
    """The state of the right to one operation."""

    refused: dict[Entities, _Refused] = field(factory=dict)
    """Entities refused since the last success, the latest at the end."""
    own: dict[Entities, None] = field(factory=dict)
    """Entities that are refused themselves."""
    turn: trio.Lock = field(factory=trio.Lock)
    missing: bool = False
    pause: float = 0.0
    until: float = -inf
    cause: Blocked | None = None
    """The last 403."""


def right_is_missing(refused: Iterable[Entities], *, whole: bool, seconds: float) -> bool:
    """Return whether refusals with no success between prove that a right is missing.

    `whole`: the last call was for no entity, and was first refused `seconds` ago.
    """
    if whole:
        return seconds >= SEPARATE_SECONDS
    different: list[Entities] = []
    for entities in sorted(refused, key=len):
        if entities and all(entities.isdisjoint(other) for other in different):
            different.append(entities)
    return len(different) >= DIFFERENT_ENTITIES


class Turn:
    """One call of an operation. Say how it went by `granted` or `refused`; an answer that tells neither, by none."""

    def __init__(self, scopes: "Scopes", operation: _Operation, entities: Callable[[], Entities]) -> None:
        self._scopes = scopes
        self._operation = operation
        self._entities = entities

    def granted(self) -> None:
        """Note that the right is there: what was refused until now was refused for its own sake."""
        operation = self._operation
        self._scopes.granted_at = trio.current_time()
        if not operation.refused and not operation.own:
            return
        operation.own.update(dict.fromkeys(filter(None, operation.refused)))
        operation.own.pop(self._entities(), None)
        while len(operation.own) > MOST_KNOWN:
            del operation.own[next(iter(operation.own))]
        operation.refused.clear()
        operation.missing, operation.pause = False, 0.0

    def refused(self, cause: Blocked) -> Failure:
        """Return what a 403 means, by what is known now: Rejected, Blocked, or Forbidden when that is not known yet."""
        operation, entities, now = self._operation, self._entities(), trio.current_time()
        if any(one <= entities for one in operation.own):
            return Rejected(str(cause), reason=cause.reason)
        operation.cause = cause
        known = operation.refused.pop(entities, None) or _Refused(now)
        known = operation.refused[entities] = evolve(known, times=known.times + 1)
        seconds = now - known.since
        if not operation.missing:
            operation.missing = right_is_missing(operation.refused, whole=not entities, seconds=seconds)
        if operation.missing and now >= operation.until:
            operation.pause = min(operation.pause * 2 or FIRST_PAUSE, LONGEST_PAUSE)
            operation.until = now + operation.pause
        if operation.missing:
            return _blocked(cause, operation.until - now)
        lonely = entities and known.times >= LONELY_TRIES and seconds >= LONELY_SECONDS
        if lonely and self._scopes.granted_at > known.since - GRANTED_SECONDS:
            return Rejected(str(cause), reason=cause.reason)
        return Forbidden(str(cause), reason=cause.reason, side=cause.side)


class Scopes:
    """The rights of one key at one API."""

    def __init__(self) -> None:
        self._operations: dict[str, _Operation] = {}
        self.granted_at = -inf
        """When any operation was carried out last."""

    @asynccontextmanager
    async def turn(self, name: str, entities: Callable[[], Entities]) -> AsyncIterator[Turn]:
        """Make one call of an operation; `entities` tells for which, and is asked only when it matters.

        Raises Blocked while the right is missing and no probe is due.
        """
        operation = self._operations.setdefault(name, _Operation())
        turn = Turn(self, operation, entities)
        if not operation.refused:
            yield turn
            return
        await _give_way(operation, entities())
        async with operation.turn:
            doubted = bool(operation.refused)
            if doubted:
                _check(operation)
                yield turn
        if not doubted:
            yield turn


async def _give_way(operation: _Operation, entities: Entities) -> None:
    """Wait a moment if the same was refused already, longer the shorter ago that is."""
    if entities and entities in operation.refused:
        place = [*operation.refused].index(entities) + 1
        await trio.sleep(GRACE * (1 + place / len(operation.refused)))


def _check(operation: _Operation) -> None:
    wait = operation.until - trio.current_time()
    if operation.missing and wait > 0:
        assert operation.cause is not None  # it was refused
        raise _blocked(operation.cause, wait)


def _blocked(cause: Blocked, after: float) -> Blocked:
    return Blocked(str(cause), reason=cause.reason, side=cause.side, after=after)
