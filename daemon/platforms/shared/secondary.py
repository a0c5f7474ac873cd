"""Secondary calls: those for an entity's lines, shipments, metafields, addresses, attributes or stock.

A failure belongs to its entity, which is tried again by itself; the other entities of the page, batch or sweep are
read. A failure of the whole connection, such as revoked credentials, is raised.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

import trio
from attrs import define, field

from daemon.errors import MISSING_RIGHT, Blocked, Failure, Rejected, Retry
from daemon.model import Lane

T = TypeVar("T")

TIMEOUT = 5.0
"""Seconds that live entities wait for a secondary call of another entity."""

MOST_SPLITS = 24
"""Most calls that narrow down a failing list: enough to find one entity among 250, too few to flood a store."""


def own_failure(error: Failure) -> Failure:
    """Return `error` if it may concern one entity only; raise it otherwise."""
    if isinstance(error, Retry | Rejected) or (isinstance(error, Blocked) and error.reason in MISSING_RIGHT):
        return error
    raise error


@define
class _Answers(Generic[T]):
    """Answers by owner, and the failure of the whole connection."""

    found: dict[int, T | Failure] = field(factory=dict)
    common: Failure | None = None
    news: trio.Event = field(factory=trio.Event)

    def note(self, owner: int, answer: T | Failure) -> None:
        self.found[owner] = answer
        self.news.set()
        self.news = trio.Event()


async def of_each(
    owners: Sequence[int], ask: Callable[[int], Awaitable[T]], lane: Lane, *, beside: bool
) -> Mapping[int, T | Failure]:
    """Return the answer or the failure of each of `owners`, asked for concurrently.

    In the live lane, late answers are left for a later read, so that finished owners do not wait. This also applies if
    only entities `beside` them, which need no call, are finished. Raises a failure of the whole connection.
    """
    answers = _Answers[T]()

    async def one(owner: int) -> None:
        try:
            answers.note(owner, await ask(owner))
        except Failure as error:
            try:
                answers.note(owner, own_failure(error))
            except Failure as common:
                answers.common = common
                nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        for owner in owners:
            nursery.start_soon(one, owner)
        if lane is Lane.LIVE:
            await _leave_stragglers(answers, owners, nursery.cancel_scope, beside=beside)
    if answers.common is not None:
        raise answers.common
    return {owner: answers.found.get(owner, _late()) for owner in owners}


async def _leave_stragglers(
    answers: _Answers[T], owners: Sequence[int], scope: trio.CancelScope, *, beside: bool
) -> None:
    while len(answers.found) < len(owners):
        with trio.move_on_after(TIMEOUT if answers.found or beside else float("inf")) as waiting:
            await answers.news.wait()
        if waiting.cancelled_caught:
            scope.cancel()
            return


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
            failure = own_failure(error)
            if len(some) == 1 or calls >= MOST_SPLITS or not _is_answer(failure):
                found.append((some, failure))
            else:
                todo += [some[len(some) // 2 :], some[: len(some) // 2]]
    return found


def _is_answer(failure: Failure) -> bool:
    """Return True if the store has answered, so that asking for less may succeed."""
    answered = failure.reason.startswith("http_5") or failure.reason in {"not_json", "unexpected_shape"}
    return answered or not isinstance(failure, Retry)


def _late() -> Retry:
    return Retry("The store did not answer in time", reason="timeout", effect_unknown=True)
