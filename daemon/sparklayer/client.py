"""Calls operations of SparkLayer's API with a token, and turns refusals into failures.

A 401 gets exactly one new token and one more try; a second 401 is Blocked. What will pass is
tried again shortly, each time with a turn of its own; what a status means per operation is `failures`' business.
"""

from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec

from daemon.errors import Blocked, Retry, Side
from daemon.http import Answer, shortly
from daemon.model import Lane
from daemon.sparklayer.failures import Operation, failure_of, words_of
from daemon.sparklayer.token import Token, Tokens
from daemon.wire import Wire

T = TypeVar("T")

ATTEMPTS = 3
CONCURRENT_ATTEMPTS = 5
LONGEST_SECONDS = 600.0
"""Waiting for turns counts in, so this only ends what hangs."""

BULK_ROWS = 1000
"""Rows in one bulk call: no maximum is published (sparklayer.md sections 3 and 4). One that is refused is halved."""

encode_json = msgspec.json.Encoder(decimal_format="number").encode


def in_bulks(rows: Sequence[T]) -> list[Sequence[T]]:
    """Cut rows into as few bulk calls as they fit in."""
    return [rows[start : start + BULK_ROWS] for start in range(0, len(rows), BULK_ROWS)]


class Client:
    """Makes calls for one site."""

    def __init__(self, wire: Wire, tokens: Tokens) -> None:
        self._wire = wire
        self._tokens = tokens

    async def call(self, operation: Operation, path: str, lane: Lane, body: bytes | None = None) -> bytes:
        """Call an operation; return the body of its success. Raises as `answer` does."""
        return (await self.answer(operation, path, lane, body)).body

    async def answer(self, operation: Operation, path: str, lane: Lane, body: bytes | None = None) -> Answer:
        """Call an operation; return its success. `path` is quoted already.

        Raises Retry, Rejected (also Missing, Duplicate) and Blocked as `failures` tells.
        """
        attempts = CONCURRENT_ATTEMPTS if operation.concurrent else ATTEMPTS
        once = partial(self._once, operation, path, lane, body)
        return await shortly(once, attempts=attempts, within=LONGEST_SECONDS)

    async def read(self, operation: Operation, path: str, lane: Lane, kind: type[T], body: bytes | None = None) -> T:
        """Call an operation and decode what it answers. Raises Retry too when that cannot be read."""
        return _decoded(operation, await self.call(operation, path, lane, body), kind)

    async def read_whole(self, operation: Operation, path: str, lane: Lane, shape: type[Any]) -> dict[str, Any]:
        """Call an operation; return the object that it answers with all its fields, also unknown ones.

        Raises Retry too when those that `shape` names are not of its types.
        """
        content = await self.call(operation, path, lane)
        _decoded(operation, content, shape)
        return _decoded(operation, content, dict[str, Any])

    async def _once(self, operation: Operation, path: str, lane: Lane, body: bytes | None) -> Answer:
        token = await self._tokens.current(lane)
        answer = await self._send(operation, path, lane, body, token)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            token = await self._tokens.instead_of(token, lane)
            answer = await self._send(operation, path, lane, body, token)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            raise Blocked(words_of(answer), reason="credentials", side=Side.SPARKLAYER)
        failure = failure_of(operation, answer)
        if failure is not None:
            raise failure
        return answer

    async def _send(self, operation: Operation, path: str, lane: Lane, body: bytes | None, token: Token) -> Answer:
        headers = {"Authorization": f"Bearer {token.text.reveal()}"}
        return await self._wire.send(operation.method, path, lane, body=body, headers=headers)


def _decoded(operation: Operation, content: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Retry(f"{operation.name} answered {error}", reason="unreadable", effect_unknown=True) from error
