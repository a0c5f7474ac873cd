"""Calls operations of SparkLayer's API with a token, and turns refusals into failures.

A 401 gets exactly one new token and one more try; a second 401 is Blocked. Temporary failures are retried after a short
wait, each attempt with its own turn of the throttle. `failures` interprets statuses per operation; `empty_refusals`
decides when a refusal without a body is believed.
"""

import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
import trio

from daemon.errors import Blocked, Failure, Retry, Side
from daemon.model import Lane
from daemon.sparklayer.empty_refusals import Call, EmptyRefusals
from daemon.sparklayer.failures import failure_of, is_doubtful, is_undocumented, words_of
from daemon.sparklayer.operation import EMPTY_SITE, Control, Operation, entities_of
from daemon.sparklayer.token import Tokens
from daemon.transport.client import ThrottledApi
from daemon.transport.http import Answer, shortly
from daemon.transport.throttle import Scopes

R = TypeVar("R")
T = TypeVar("T")

ATTEMPTS = 3
CONCURRENT_ATTEMPTS = 5
LONGEST_SECONDS = 600.0
"""Includes the waits for turns, so it only ends calls that hang."""

FRESH_SECONDS = 2.0
"""Longest time in seconds from a read to its PUT. The throttle's slowest pace is one request a second, so a PUT that is
next gets its turn in this time at every pace."""

BULK_ROWS = 250
"""Rows in one bulk call: no maximum is published (sparklayer.md sections 3 and 4), but a long call delays others."""

encode_json = msgspec.json.Encoder(decimal_format="number").encode


def without_none(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object of a body without its fields that are None."""
    return {name: value for name, value in content.items() if value is not None}


def in_bulks(rows: Sequence[T]) -> list[Sequence[T]]:
    """Split rows into slices of at most `BULK_ROWS`."""
    return [rows[start : start + BULK_ROWS] for start in range(0, len(rows), BULK_ROWS)]


Known = Callable[[Control, str | None], Awaitable[str | None]]
"""Returns a quoted id that a control read should find, other than the given one; None if there is none."""


async def nothing_known(_control: Control, _other_than: str | None) -> None:
    """Return no id."""


class Client:
    """Makes calls for one site."""

    def __init__(self, throttled_api: ThrottledApi, tokens: Tokens, known: Known = nothing_known) -> None:
        self._throttled_api = throttled_api
        self._tokens = tokens
        self._known = known
        self._empty = EmptyRefusals()
        self._scopes = Scopes()
        self._asking = trio.Lock()

    async def call(
        self, operation: Operation, path: str, lane: Lane, body: bytes | None = None, before: float = math.inf
    ) -> Answer:
        """Call an operation; return its successful answer. `path` is quoted.

        A call that must be sent `before` a time of trio's clock is sent once at most (see `replaced`).

        Raises Retry, Rejected (also Missing, Duplicate) and Blocked, as `failures` decides.
        """
        once = partial(self._once, operation, path, lane, body, before)
        if before < math.inf:
            return await once()
        attempts = CONCURRENT_ATTEMPTS if operation.concurrent else ATTEMPTS
        return await shortly(once, attempts=attempts, within=LONGEST_SECONDS)

    async def read(self, operation: Operation, path: str, lane: Lane, kind: type[T], body: bytes | None = None) -> T:
        """Call an operation and decode its answer. Raises as `call` does, and Retry for an unreadable answer."""
        return _decoded(operation, (await self.call(operation, path, lane, body)).body, kind)

    async def read_whole(
        self, operation: Operation, path: str, lane: Lane, shape: type[T], is_asked_for: Callable[[T], bool]
    ) -> dict[str, Any]:
        """Call an operation; return the answered object with all its fields, unknown ones included.

        Raises as `call` does. Raises Retry too if the fields in `shape` have other types, and if the object differs
        from the requested one or is incomplete: a write back would lose fields or copy another entity's.
        """
        content = (await self.call(operation, path, lane)).body
        if not is_asked_for(_decoded(operation, content, shape)):
            words = f"{operation.name} answered with another object than the requested one, or a part of it"
            raise Retry(words, reason="unreadable", effect_unknown=True)
        return _decoded(operation, content, dict[str, Any])

    async def _once(self, operation: Operation, path: str, lane: Lane, body: bytes | None, before: float) -> Answer:
        async with self._scopes.turn(operation.name, partial(entities_of, operation, path, body)) as turn:
            answer = await self._authorized(operation, path, lane, body, before)
            failure = await self._failure_of(operation, path, lane, body, answer)
            failure = turn.judged(failure, forbidden=answer.status == HTTPStatus.FORBIDDEN)
        if failure is not None:
            raise failure
        return answer

    async def _failure_of(
        self, operation: Operation, path: str, lane: Lane, body: bytes | None, answer: Answer
    ) -> Failure | None:
        """Return the failure of an answer, None for success: a refusal that is not believed yet is to be retried.

        Raises Retry for a success that is not as documented, until it is believed.
        """
        failure, empty, now = failure_of(operation, answer), self._empty, trio.current_time()
        call = operation.name, path, body if operation.names_nothing else None
        if failure is None:
            if not is_undocumented(operation.answers, answer):
                if operation.answers.empty:
                    empty.note_documented(operation.name, now)
            elif not empty.believes_undocumented(operation.name, now):
                words = f"{operation.name} was answered with HTTP status {answer.status}, but not as documented"
                raise Retry(words, reason="undocumented_answer", effect_unknown=True)
            if operation.method == "DELETE":
                empty.forget(operation.control, path)
            else:
                empty.note_success(call, operation.control, now, bulk=operation.bulk)
            return None
        if isinstance(failure, Retry) or not is_doubtful(answer):
            return failure
        if answer.status == HTTPStatus.NOT_FOUND:
            believed = await self._is_own_404(operation, call, answer, lane)
        else:
            believed = empty.believes(call, answer.status, now)
        if believed:
            return failure
        how, reason = (
            ("with an unknown body", "odd_refusal") if answer.body.strip() else ("without a body", "empty_refusal")
        )
        words = f"{operation.name} was refused {how}, with HTTP status {answer.status}"
        return Retry(words, reason=reason, effect_unknown=True)

    def expect(self, control: Control, ids: Iterable[str]) -> None:
        """Remember ids that SparkLayer should have, for control questions."""
        self._empty.expect(control, [quote(identifier, safe="") for identifier in ids])

    async def _is_own_404(self, operation: Operation, call: Call, answer: Answer, lane: Lane) -> bool:
        """Return True if the API itself sent a doubtful 404. Asks the control question if it is due."""
        empty, form = self._empty, _form(operation, answer)
        # One control question at a time: its result serves all calls that wait here.
        async with self._asking:
            now = trio.current_time()
            if empty.believes_missing(form, now) or not empty.may_ask(form, now):
                return empty.believes_missing(form, now)
            control = operation.control
            asked = control.id_in(call[1])
            known = empty.known_id(control, asked) or await self._known(control, asked)
            if known is None and empty.expects(control, asked) and not empty.believes(call, HTTPStatus.NOT_FOUND, now):
                return False
            compared = control if known else EMPTY_SITE
            path = compared.of(known or "")
            read = Operation(name="controlQuestion", method="GET", answers=compared.answers)
            if failure_of(read, await self._authorized(read, path, lane)) is not None:
                empty.forget(compared, path)
                return False
            read = Operation(name="controlQuestion", method="GET", answers=control.answers)
            gone = await self._authorized(read, control.of(control.nobody), lane)
            if gone.status != HTTPStatus.NOT_FOUND or failure_of(read, gone) is None or not is_doubtful(gone):
                return False
            if _form(operation, gone) != form:
                return False
            empty.believe_missing(form, trio.current_time())
            return True

    async def _authorized(
        self, operation: Operation, path: str, lane: Lane, body: bytes | None = None, before: float = math.inf
    ) -> Answer:
        """Send a request with a token, and with a new token after a 401. Raises Blocked after a second 401."""
        token, is_renewed = await self._tokens.current(lane), False
        while True:
            headers = {"Authorization": f"Bearer {token.text.reveal()}"}
            answer = await self._throttled_api.send(
                operation.method, path, lane, body=body, headers=headers, before=before
            )
            if answer.status != HTTPStatus.UNAUTHORIZED:
                return answer
            if is_renewed:
                raise Blocked(words_of(answer), reason="credentials", side=Side.SPARKLAYER)
            token, is_renewed = await self._tokens.instead_of(token, lane), True


async def replaced(read: Callable[[], Awaitable[T]], put: Callable[[T, float], Awaitable[R]]) -> R:
    """Read, and `put` what follows from the read, before the time of trio's clock that `put` gets.

    So an edit by hand in between is seldom lost. A PUT carries over fields from the read before it, so each attempt of
    the PUT has a read of its own, however the one before it failed. The PUT is next at the throttle, and is not sent at
    all once its read has become old. Raises what they raise.
    """
    # It has been repeated already if it failed, so it is not part of the first attempt.
    held = [await read()]

    async def attempt() -> R:
        latest = held.pop() if held else await read()
        return await put(latest, trio.current_time() + FRESH_SECONDS)

    # A 429's time is waited out before the next read, not between the read and the PUT.
    return await shortly(attempt, within=LONGEST_SECONDS, held_back=False)


def _form(operation: Operation, answer: Answer) -> str:
    """Return the name of an operation with an empty 404, or of it with a 404 that has a body: each proves itself."""
    return f"{operation.name} with a body" if answer.body.strip() else operation.name


def _decoded(operation: Operation, content: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Retry(f"{operation.name} answered {error}", reason="unreadable", effect_unknown=True) from error
