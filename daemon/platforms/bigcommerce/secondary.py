"""Calls for what belongs to an entity: its lines, shipments, metafields, addresses, attributes, stock.

One that fails is the failure of its entity, which is tried again by itself; the others of its page, batch or sweep are
read. What would fail for everybody else too, such as void credentials, is raised as ever.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

import trio
from attrs import define, field

from daemon.errors import Blocked, Failure, Rejected, Retry
from daemon.model import Lane
from daemon.platforms.bigcommerce.refusal import SCOPE_MISSING

T = TypeVar("T")

TIMEOUT = 5.0
"""Seconds that live entities wait for one whose secondary call does not end."""

MOST_SPLITS = 24
"""So many calls at most find out whose part of a list fails: enough for one among 250, too few to flood a store."""


def own_failure(error: Failure) -> Failure:
    """Return a failure that may concern one entity only. Raises any other."""
    if isinstance(error, Retry | Rejected) or (isinstance(error, Blocked) and error.reason == SCOPE_MISSING):
        return error
    raise error


@define
class _Answers(Generic[T]):
    """What was answered of whom, and the failure that concerns all of them."""

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
    """Return the answer, or the failure, of each of `owners`, who are asked for side by side.

    In the live lane one that does not answer is left for later when the others are done, or when there are others
    `beside`, who need no call. Raises what is nobody's own failure.
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
    """Return the list of all `owners`, or the failure of those whose part of it fails, in as few calls as that takes.

    In the live lane a list that does not come is left for later when there are others `beside`, who need none. Raises
    what is nobody's own failure.
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
    """Whether the store has answered, so that a smaller question may have a better answer."""
    answered = failure.reason.startswith("http_5") or failure.reason in {"not_json", "unexpected_shape"}
    return answered or not isinstance(failure, Retry)


def _late() -> Retry:
    return Retry("BigCommerce does not answer for this in time", reason="timeout", effect_unknown=True)
