"""Odd answers: what proxies, gateways, login pages and half-broken servers say in the place of an API.

    odd = OddAnswers(ANSWERS["404 html"], times=3)
    network.odd = odd.strike        # each operation of both sides answers so at its first three uses

They stand for the proper answer, and the request has no effect. `PLAUSIBLE` are those that the API might say itself:
nothing in them contradicts it, so only the next whole read can. A 401 and a 502 are never believed, not even empty.
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
_CONTENTS: Mapping[str, tuple[str, bytes]] = {
    "200 html": ("text/html", _HTML),
    "200 list": ("application/json", b"[]"),
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
    **{name: _response(200, kind, body) for name, (kind, body) in _CONTENTS.items()},
}
"""By name."""

PLAUSIBLE = frozenset({*(f"{status} empty" for status in (400, 403, 404, 409)), "200 list", "200 object"})


@define(eq=False)
class OddAnswers:
    """Gives the first `times` uses of each operation `answer`; `only` chooses the operations."""

    answer: Response
    times: int
    only: Callable[[str, str], bool] = lambda _side, _operation: True
    given: Counter[tuple[str, str]] = field(factory=Counter)
    """Number of odd answers given, by side and operation."""

    def strike(self, side: str, operation: str) -> Response | None:
        """Return what stands for the answer of an operation; None: the API's own."""
        if self.given[side, operation] >= self.times or not self.only(side, operation):
            return None
        self.given[side, operation] += 1
        return self.answer
