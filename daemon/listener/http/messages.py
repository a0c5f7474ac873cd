"""Requests and responses of a handler, and the encoding of a response.

Errors are problem details (RFC 7807): {"title", "status", "detail"} as `application/problem+json`. A detail is for the
sender; it never quotes a secret or another sender's data.
"""

import email.utils
import functools
import os
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, BinaryIO
from urllib.parse import parse_qsl

import msgspec
from attrs import define, field, frozen

Headers = Sequence[tuple[bytes, bytes]]

RETRY_LATER = ((b"retry-after", b"5"),)
"""In seconds. Platforms have retry schedules of their own anyway."""


@define(slots=True, eq=False)
class Request:
    """A complete request. Treated as immutable; not frozen, because that costs a microsecond per request.

    `path` is as sent, with its percent signs; `headers` has lower-case names, repeated ones joined by ", ".
    """

    method: str
    path: str
    raw_query: str = field(repr=False)
    headers: Mapping[bytes, bytes] = field(repr=False)
    body: bytes = field(repr=False)
    keep_alive: bool

    @property
    def query(self) -> dict[str, str]:
        """The query parameters; the last of several with the same name."""
        return dict(parse_qsl(self.raw_query, keep_blank_values=True))

    @property
    def media_type(self) -> bytes:
        """The declared type of the body, in lower case, without parameters such as a charset."""
        return self.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()


@frozen
class Response:
    """An answer. `content_type` matters only with a body. A large body comes from a `file` instead.

    One that grows while it is read comes from a `stream`: it ends with its connection, which may be cut off at any
    time.
    """

    status: int = 200
    body: bytes = field(default=b"", repr=False)
    content_type: bytes = b""
    headers: Headers = field(default=(), repr=False)
    file: BinaryIO | None = field(default=None, repr=False)
    stream: AsyncGenerator[bytes, None] | None = field(default=None, repr=False)


@frozen
class Fault:
    """The refusal of a request that no handler has seen. `path` is the request's, if it was complete by then."""

    status: int
    detail: str
    path: str = field(default="", repr=False)


def json_response(value: Any, status: int = 200) -> Response:
    """Return an answer with `value` as JSON; attrs values, enums, dates and decimals are allowed."""
    return Response(status, msgspec.json.encode(value), b"application/json")


def problem(status: int, detail: str = "", headers: Headers = ()) -> Response:
    """Return an answer with problem details; `detail` is one line for the sender."""
    content = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return Response(status, msgspec.json.encode(content), b"application/problem+json", headers)


_STATUS_LINES = {status.value: b"HTTP/1.1 %d %s\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}
_BODILESS = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}


@functools.lru_cache(maxsize=1)
def _date_line(second: int) -> bytes:
    """Return the Date header, formatted once a second."""
    return b"date: %s\r\n" % email.utils.formatdate(second, usegmt=True).encode()


def encode(response: Response, *, close: bool, head_only: bool, request_id: str) -> bytes:
    """Return the bytes of an answer, without the content of its file.

    `close` announces the connection's last answer. `request_id` is plain text that a header can carry.
    """
    length = len(response.body) if response.file is None else os.fstat(response.file.fileno()).st_size
    parts = [
        _STATUS_LINES[response.status],
        _date_line(int(time.time())),
        b"x-request-id: %s\r\n" % request_id.encode("ascii"),
    ]
    if close:
        parts.append(b"connection: close\r\n")
    if length or response.stream is not None:
        parts.append(b"content-type: %s\r\n" % response.content_type)
    if response.status not in _BODILESS and response.stream is None:
        parts.append(b"content-length: %d\r\n" % length)
    if response.headers:
        parts += [b"%s: %s\r\n" % header for header in response.headers]
    parts.append(b"\r\n")
    if not head_only and response.status not in _BODILESS:
        parts.append(response.body)
    return b"".join(parts)
