"""Decides if a 403 means that the key lacks a right, or that the API refuses one entity.

Rights are judged per operation. After the first 403, calls of the operation go one at a time. If a call succeeds, the
403s before it began were about their entities. A call that was under way already may be older than the loss of the
right, so its success proves nothing. If three different entities are refused without a success between, the right is
missing. From then on one call, each for another entity, goes after each step of a growing pause until one succeeds.

A call may be for many entities. Calls that share an entity count as one, since that entity may be the cause of all.

A call for the store or the site as a whole has no other entity to compare with: a second, separate refusal decides. If
an operation is used for a single entity only, that entity is judged alone in the end (`LONELY_TRIES`).
"""

from collections.abc import AsyncIterator, Callable, Hashable, Iterable
from contextlib import asynccontextmanager
from math import inf

import trio
from attrs import define, evolve, field, frozen

from daemon.errors import Blocked, Failure, Forbidden, Rejected

DIFFERENT_ENTITIES = 3
SEPARATE_SECONDS = 2.0
"""Least seconds between the two refusals that decide about a call for the site as a whole."""

LONELY_TRIES = 4
LONELY_SECONDS = 600.0
GRANTED_SECONDS = 86_400.0
"""Tries and seconds after which a single refused entity is to blame, if any operation succeeded within a day before."""

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 300.0
GRACE = 0.5
"""Least seconds for which an already refused entity leaves the next call to another entity."""

MOST_KNOWN = 1000
"""Refused entities remembered per operation; beyond this the oldest is judged again."""

Entities = frozenset[Hashable]
"""Entities that a call is for; empty for the store or the site as a whole."""


@frozen
class _Refused:
    since: float
    times: int = 0
    number: int = 0
    """Place of the last one among the operation's refusals."""


@define(eq=False)
class _Operation:
    """The state of the right to one operation."""

    refusals: int = 0
    """Number of all refusals so far."""
    refused: dict[Entities, _Refused] = field(factory=dict)
    """Entities of the calls refused since the last success began, the latest last."""
    own: dict[Entities, None] = field(factory=dict)
    """Entities that are refused although the right is there."""
    turn: trio.Lock = field(factory=trio.Lock)
    missing: bool = False
    pause: float = 0.0
    until: float = -inf
    cause: Blocked | None = None
    """The failure of the last 403."""


def right_is_missing(refused: Iterable[Entities], *, whole: bool, seconds: float) -> bool:
    """Return True if refusals without a success between prove that a right is missing.

    `whole` is True if the last call was for no entity; it was first refused `seconds` ago.
    """
    if whole:
        return seconds >= SEPARATE_SECONDS
    different: list[Entities] = []
    # Smallest sets first: they overlap least, so more of them count as different.
    for entities in sorted(refused, key=len):
        if entities and all(entities.isdisjoint(other) for other in different):
            different.append(entities)
    return len(different) >= DIFFERENT_ENTITIES


class ScopedTurn:
    """One call of an operation. `judged` takes its outcome; a call that was cancelled has none."""

    def __init__(self, scopes: "Scopes", operation: _Operation, entities: Callable[[], Entities]) -> None:
        self._scopes = scopes
        self._operation = operation
        self._entities = entities
        self._began = operation.refusals

    def judged(self, failure: Failure | None, *, forbidden: bool) -> Failure | None:
        """Return the failure of the call, None for success. `forbidden`: a right seems to be missing."""
        if forbidden and isinstance(failure, Blocked):
            return self.refused(failure)
        # The other failures, such as a network's, show neither that the right is there nor that it is missing.
        if failure is None or isinstance(failure, Rejected):
            self.granted()
        return failure

    def granted(self) -> None:
        """Record that the right was there: 403s before this call began were about their entities."""
        operation = self._operation
        self._scopes.granted_at = trio.current_time()
        if not operation.refused and not operation.own:
            return
        earlier = [key for key, refused in operation.refused.items() if refused.number <= self._began]
        for key in earlier:
            del operation.refused[key]
        operation.own.update(dict.fromkeys(filter(None, earlier)))
        # This call's entities are not refused, or not any longer.
        entities = self._entities()
        for key in [key for key in operation.own if key <= entities]:
            del operation.own[key]
        while len(operation.own) > MOST_KNOWN:
            del operation.own[next(iter(operation.own))]
        if earlier:
            operation.missing, operation.pause = False, 0.0

    def refused(self, cause: Blocked) -> Failure:
        """Return the failure for a 403: Rejected (the entity), Blocked (the right), or Forbidden (not known yet)."""
        operation, entities, now = self._operation, self._entities(), trio.current_time()
        if any(one <= entities for one in operation.own):
            return Rejected(str(cause), reason=cause.reason)
        operation.cause = cause
        known = operation.refused.pop(entities, None) or _Refused(now)
        operation.refusals += 1
        known = evolve(known, times=known.times + 1, number=operation.refusals)
        operation.refused[entities] = known
        seconds = now - known.since
        if not operation.missing:
            operation.missing = right_is_missing(operation.refused, whole=not entities, seconds=seconds)
        # An answer to a call that began before the pause must not lengthen it.
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
        """Time of the last success of any operation."""

    @asynccontextmanager
    async def turn(self, name: str, entities: Callable[[], Entities]) -> AsyncIterator[ScopedTurn]:
        """Make one call of an operation. `entities` returns the call's entities, and is called only after a 403.

        Raises Blocked while the right is missing and no probe is due.
        """
        operation = self._operations.setdefault(name, _Operation())
        if not operation.refused:
            yield ScopedTurn(self, operation, entities)
            return
        # Another entity says more about the right than one that was refused already.
        asked = entities()
        if asked and asked in operation.refused:
            # Wait a moment, longer, the more recent the refusal.
            place = [*operation.refused].index(asked) + 1
            await trio.sleep(GRACE * (1 + place / len(operation.refused)))
        async with operation.turn:
            # An earlier call may have succeeded meanwhile; then this one need not go alone.
            doubted = bool(operation.refused)
            if doubted:
                wait = operation.until - trio.current_time()
                if operation.missing and wait > 0:
                    assert operation.cause is not None  # it was refused
                    raise _blocked(operation.cause, wait)
                yield ScopedTurn(self, operation, entities)
        if not doubted:
            yield ScopedTurn(self, operation, entities)


def _blocked(cause: Blocked, after: float) -> Blocked:
    return Blocked(str(cause), reason=cause.reason, side=cause.side, after=after)
