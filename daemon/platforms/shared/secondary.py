"""Secondary calls: those for an entity's lines, shipments, metafields, addresses, attributes or stock.

A failure belongs to its entity, which is tried again by itself; the other entities of the page, batch or sweep are
read. A failure of the whole connection, such as revoked credentials, is raised.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import trio

from daemon.errors import MISSING_RIGHT, Blocked, Failure, Rejected, Retry
from daemon.model import Lane

T = TypeVar("T")

TIMEOUT = 5.0
"""Seconds that live entities wait for a secondary call of another entity."""

MOST_SPLITS = 24
"""Most calls that narrow down a failing list: enough to find one entity among 250, too few to flood a store."""


def _is_own(error: Failure) -> bool:
    """Return True for a failure that may concern one entity only."""
    return isinstance(error, Retry | Rejected) or (isinstance(error, Blocked) and error.reason in MISSING_RIGHT)


async def of_each(
    owners: Sequence[int], ask: Callable[[int], Awaitable[T]], lane: Lane, *, beside: bool
) -> Mapping[int, T | Failure]:
    """Return the answer or the failure of each of `owners`, asked for concurrently.

    In the live lane, late answers are left for a later read, so that finished owners do not wait. This also applies if
    only entities `beside` them, which need no call, are finished. Raises a failure of the whole connection.
    """
    answers: dict[int, T | Failure] = {}
    common: Failure | None = None

    async def one(owner: int) -> None:
        nonlocal common
        try:
            answers[owner] = await ask(owner)
        except Failure as error:
            if not _is_own(error):
                common = error
                scope.cancel()
                return
            answers[owner] = error
        if lane is Lane.LIVE:
            scope.deadline = trio.current_time() + TIMEOUT

    async with trio.open_nursery() as nursery:
        scope = nursery.cancel_scope
        if lane is Lane.LIVE and beside:
            scope.deadline = trio.current_time() + TIMEOUT
        for owner in owners:
            nursery.start_soon(one, owner)
    if common is not None:
        raise common
    return {owner: answers.get(owner, _late()) for owner in owners}


async def of_lists(
    owners: Sequence[int], ask: Callable[[Sequence[int]], Awaitable[list[T]]], lane: Lane, *, beside: bool
) -> list[tuple[Sequence[int], list[T] | Failure]]:
    """Return one list for all `owners`. If it fails, split it and return lists and failures of its parts.

    In the live lane, a late list is left for a later read if there are entities `beside` it that need no call. Raises a
    failure of the whole connection.
    """
    timeout = TIMEOUT if lane is Lane.LIVE and beside else float("inf")
    found: list[tuple[Sequence[int], list[T] | Failure]] = []
    todo, calls = [owners] if owners else [], 0
    while todo:
        some = todo.pop()
        calls += 1
        answer: list[T] | Failure = _late()
        try:
            with trio.move_on_after(timeout):
                answer = await ask(some)
            found.append((some, answer))
        except Failure as error:
            if not _is_own(error):
                raise
            if len(some) == 1 or calls >= MOST_SPLITS or not _is_answer(error):
                found.append((some, error))
            else:
                todo += [some[len(some) // 2 :], some[: len(some) // 2]]
    return found


def _is_answer(failure: Failure) -> bool:
    """Return True if the store has answered, so that asking for less may succeed."""
    answered = failure.reason.startswith("http_5") or failure.reason in {"not_json", "unexpected_shape"}
    return answered or not isinstance(failure, Retry)


def _late() -> Retry:
    return Retry("The store did not answer in time", reason="timeout", effect_unknown=True)
