"""Odd answers: what proxies, gateways, login pages and half-broken servers say in the place of an API.

    odd = OddAnswers(ANSWERS["404 html"], times=3)
    network.odd = odd.strike        # each operation of both sides answers so at its first three uses

They stand for the proper answer, and the request has no effect. Something later contradicts each of them: the
next attempt, a control question, a second answer.
"""

from collections import Counter
from collections.abc import Callable, Mapping

from attrs import define, field

from daemon.sandbox.message import Response

STATUSES = (400, 401, 403, 404, 409, 502)

_HTML = b"<!doctype html><html><title>Not available</title><body>Ask your administrator.</body></html>"
_BODIES: Mapping[str, tuple[str, bytes]] = {
    "html": ("text/html; charset=utf-8", _HTML),
    "text": ("text/plain", b"upstream connect error or disconnect/reset before headers"),
    "empty": ("", b""),
}
_JSON: Mapping[int, bytes] = {
    400: b'{"errors": ["x"]}',
    401: b'{"detail": "Not authenticated"}',
    403: b'{"detail": "Blocked by policy"}',
    404: b'{"detail": "Not Found"}',
    409: b'{"title": "Conflict", "errors": [{"message": "Bad gateway", "status": 502}]}',
    502: b'{"error": {"code": 502, "message": "Bad gateway"}}',
}
"""JSON of frameworks and gateways, which looks like a problem but is neither API's."""
_PROBLEM = b'{"type": "https://tools.ietf.org/html/rfc9110", "title": "Not Found", "status": 404, "traceId": "00-1"}'
"""A problem of RFC 7807 as a framework sends it, with a member of its own."""
_CONTENTS: Mapping[str, tuple[str, bytes]] = {
    "200 empty": ("", b""),
    "200 html": ("text/html", _HTML),
    "200 list": ("application/json", b"[]"),
    "200 row": ("application/json", b'[{"message": "no Route matched with those values"}]'),
    "200 object": ("application/json", b"{}"),
    "200 truncated": ("application/json", b'{"data": [{"id": 1, "na'),
}


def _response(status: int, kind: str, body: bytes) -> Response:
    return Response(status=status, headers={"content-type": kind} if kind else {}, body=body)


ANSWERS: Mapping[str, Response] = {
    **{
        f"{status} {name}": _response(status, kind, body)
        for status in STATUSES
        for name, (kind, body) in _BODIES.items()
    },
    **{f"{status} json": _response(status, "application/json", body) for status, body in _JSON.items()},
    "302 empty": Response(status=302, headers={"location": "https://login.test/"}, body=b""),
    "404 problem": _response(404, "application/problem+json", _PROBLEM),
    **{name: _response(200, kind, body) for name, (kind, body) in _CONTENTS.items()},
}
"""By name."""

Operation = tuple[str, str]
"""A side and the name of its operation."""


@define(eq=False)
class OddAnswers:
    """Gives the first `times` uses of each operation `answer`; `only` chooses the operations."""

    answer: Response
    times: int
    only: Callable[[str, str], bool] = lambda _side, _operation: True
    given: Counter[Operation] = field(factory=Counter)
    """Number of odd answers given, by side and operation."""

    def strike(self, side: str, operation: str) -> Response | None:
        """Return what stands for the answer of an operation; None: the API's own."""
        if self.given[side, operation] >= self.times or not self.only(side, operation):
            return None
        self.given[side, operation] += 1
        return self.answer
