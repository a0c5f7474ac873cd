"""HTTP requests and responses as values, for the stand-ins of both APIs.

A handler is a plain function from a `Request` to a `Response`: it never awaits, so its effect on the state is
atomic and a fault can stand cleanly before or after it. What a handler refuses, it raises as `Refused`.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from attrs import define, field, frozen

encode = msgspec.json.encode


@frozen(kw_only=True)
class Request:
    """One request. `path` is raw (still percent-encoded, without the query), header names are in lower case."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(factory=dict)
    body: bytes = b""


@define(kw_only=True)
class Response:
    """One answer. `cut` makes the server hang up in the middle of the body."""

    status: int
    headers: dict[str, str] = field(factory=dict)
    body: bytes = b""
    cut: bool = False


class Refused(Exception):
    """The API refuses the request with `response`."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status, response.body)
        self.response = response


def json(content: Any, status: int = 200, media_type: str = "application/json") -> Response:
    """Answer with `content` as JSON."""
    return Response(status=status, headers={"content-type": media_type}, body=encode(content))


def text(words: str, status: int, media_type: str = "text/plain") -> Response:
    """Answer with plain words, as both APIs do where one expects JSON."""
    return Response(status=status, headers={"content-type": media_type}, body=words.encode())
