"""The part that all stand-ins have: statistics, faults, and how a separate process reads and orders them.

    GET    /_sandbox/statistics         DELETE: count anew
    GET    /_sandbox/faults             rules in force, and whether there is an outage
    POST   /_sandbox/faults             {"pattern", "fault", "arguments", "after_effect", "times", "probability"}
    POST   /_sandbox/outage             {"down": true}
    DELETE /_sandbox/faults             take all rules away and end an outage

Each stand-in adds controls of its own. A request that cannot be understood is answered 400 with one line.
"""

from typing import Any

import msgspec

from daemon.sandbox.faults import BY_NAME, Faults
from daemon.sandbox.message import Request, Response, json, text
from daemon.sandbox.router import Router, route
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


class StandIn:
    """The base of a stand-in. A subclass marks controls of its own as routes below `/_sandbox/`."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.statistics = Statistics()
        self._controls = Router()
        self._controls.include(self)

    def control(self, request: Request) -> Response:
        """Answer a request below `/_sandbox/`."""
        match = self._controls.find(request.method, request.path)
        if match is None:
            return text("no such control", 404)
        try:
            return match.handler(request, **match.parameters)
        except (msgspec.DecodeError, LookupError, TypeError, ValueError) as error:
            return text(f"{type(error).__name__}: {error}", 400)

    @route("GET", "/_sandbox/statistics")
    def _counted(self, _request: Request) -> Response:
        return json(self.statistics.as_json())

    @route("DELETE", "/_sandbox/statistics")
    def _count_anew(self, _request: Request) -> Response:
        self.statistics.reset()
        return DONE

    @route("GET", "/_sandbox/faults")
    def _in_force(self, _request: Request) -> Response:
        rules = [{"pattern": rule.pattern, "used": rule.used} for rule in self.faults.rules]
        return json({"down": self.faults.down, "rules": rules})

    @route("POST", "/_sandbox/faults")
    def _order(self, request: Request) -> Response:
        order = msgspec.json.decode(request.body, type=_Order)
        act = BY_NAME[order.fault](**order.arguments)
        self.faults.add(
            order.pattern,
            act,
            after_effect=order.after_effect or order.fault == "truncate",
            times=order.times,
            probability=order.probability,
        )
        return DONE

    @route("DELETE", "/_sandbox/faults")
    def _clear(self, _request: Request) -> Response:
        self.faults.clear()
        return DONE

    @route("POST", "/_sandbox/outage")
    def _outage(self, request: Request) -> Response:
        self.faults.down = msgspec.json.decode(request.body, type=_Outage).down
        return DONE
