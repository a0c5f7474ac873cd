"""The part that all stand-ins have: statistics, faults, and how a separate process reads and orders them.

    GET    /_sandbox/statistics         DELETE: count anew
    GET    /_sandbox/faults             rules in force, and whether there is an outage
    POST   /_sandbox/faults             {"pattern", "fault", "arguments", "after_effect", "times", "probability"}
    POST   /_sandbox/outage             {"down": true}
    DELETE /_sandbox/faults             take all rules away and end an outage

Each stand-in adds controls of its own. A request that cannot be understood is answered 400 with one line. A browser's
is refused: any page in it can send one to loopback.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from daemon.sandbox.faults import BY_NAME, Act, Faults
from daemon.sandbox.message import Request, Response, json, text
from daemon.sandbox.router import Router, route
from daemon.sandbox.statistics import Statistics

AFTER_EFFECT = ("truncate", "php_warning")
"""Faults that change an answer, so they stand after the effect."""


class StandIn:
    """The base of a stand-in. A subclass marks controls of its own as routes below `/_sandbox/`.

    A control takes the fields of the body as arguments; what it returns is the answer, None being 204.
    """

    def __init__(self) -> None:
        self.faults = Faults()
        self.acts: Mapping[str, Callable[..., Act]] = BY_NAME
        """The faults that can be ordered over HTTP."""
        self.statistics = Statistics()
        self._controls = Router()
        self._controls.include(self)

    def control(self, request: Request) -> Response:
        """Answer a request below `/_sandbox/`."""
        if "origin" in request.headers:
            return text("not for browsers", 403)
        match = self._controls.find(request.method, request.path)
        if match is None:
            return text("no such control", 404)
        try:
            told: Any = match.handler(**msgspec.json.decode(request.body or b"{}", type=dict[str, Any]))
        except (msgspec.DecodeError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            return text(f"{type(error).__name__}: {error}", 400)
        return Response(status=204) if told is None else json(told)

    @route("GET", "/_sandbox/statistics")
    def _counted(self) -> Any:
        return self.statistics.as_json()

    @route("DELETE", "/_sandbox/statistics")
    def _count_anew(self) -> None:
        self.statistics.reset()

    @route("GET", "/_sandbox/faults")
    def _in_force(self) -> Any:
        rules = [{"pattern": rule.pattern, "used": rule.used} for rule in self.faults.rules]
        return {"down": self.faults.down, "rules": rules}

    @route("POST", "/_sandbox/faults")
    def _order(self, pattern: str, fault: str, arguments: Mapping[str, Any] | None = None, **how: Any) -> None:
        act = self.acts[fault](**(arguments or {}))
        self.faults.add(pattern, act, **how | ({"after_effect": True} if fault in AFTER_EFFECT else {}))

    @route("DELETE", "/_sandbox/faults")
    def _clear(self) -> None:
        self.faults.clear()

    @route("POST", "/_sandbox/outage")
    def _outage(self, *, down: bool) -> None:
        self.faults.down = down
