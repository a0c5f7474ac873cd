"""What both stand-ins let a separate process do: read statistics, order faults.

    GET    /_sandbox/statistics         DELETE: count anew
    GET    /_sandbox/faults             rules in force, and whether there is an outage
    POST   /_sandbox/faults             {"pattern", "fault", "arguments", "after_effect", "times", "probability"}
    POST   /_sandbox/outage             {"down": true}
    DELETE /_sandbox/faults             take all rules away and end an outage

Each stand-in adds its own routes. A request that cannot be understood is answered 400 with one line.
"""

from typing import Any

import msgspec

from daemon.sandbox.faults import BY_NAME, Faults
from daemon.sandbox.message import Request, Response, json, text
from daemon.sandbox.router import Router
from daemon.sandbox.statistics import Statistics

DONE = Response(status=204)


class _Order(msgspec.Struct, forbid_unknown_fields=True):
    pattern: str
    fault: str
    arguments: dict[str, Any] = {}
    after_effect: bool = False
    times: int | None = None
    probability: float = 1.0


class _Outage(msgspec.Struct, forbid_unknown_fields=True):
    down: bool


class Control:
    """The common routes; `router` takes more of them."""

    def __init__(self, statistics: Statistics, faults: Faults) -> None:
        self._statistics, self._faults = statistics, faults
        self.router = Router()
        self.router.add("GET", "/_sandbox/statistics", self._counted)
        self.router.add("DELETE", "/_sandbox/statistics", self._count_anew)
        self.router.add("GET", "/_sandbox/faults", self._in_force)
        self.router.add("POST", "/_sandbox/faults", self._order)
        self.router.add("DELETE", "/_sandbox/faults", self._clear)
        self.router.add("POST", "/_sandbox/outage", self._outage)

    def answer(self, request: Request) -> Response:
        """Answer a request below `/_sandbox/`."""
        match = self.router.find(request.method, request.path)
        if match is None:
            return text("no such control", 404)
        try:
            return match.handler(request, **match.parameters)
        except (msgspec.DecodeError, LookupError, TypeError, ValueError) as error:
            return text(f"{type(error).__name__}: {error}", 400)

    def _counted(self, _request: Request) -> Response:
        return json(self._statistics.as_json())

    def _count_anew(self, _request: Request) -> Response:
        self._statistics.reset()
        return DONE

    def _in_force(self, _request: Request) -> Response:
        rules = [{"pattern": rule.pattern, "used": rule.used} for rule in self._faults.rules]
        return json({"down": self._faults.down, "rules": rules})

    def _order(self, request: Request) -> Response:
        order = msgspec.json.decode(request.body, type=_Order)
        act = BY_NAME[order.fault](**order.arguments)
        self._faults.add(
            order.pattern,
            act,
            after_effect=order.after_effect or order.fault == "truncate",
            times=order.times,
            probability=order.probability,
        )
        return DONE

    def _clear(self, _request: Request) -> Response:
        self._faults.clear()
        return DONE

    def _outage(self, request: Request) -> Response:
        self._faults.down = msgspec.json.decode(request.body, type=_Outage).down
        return DONE
