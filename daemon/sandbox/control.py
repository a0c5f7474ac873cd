"""The part that all stand-ins have: statistics, faults, and how a separate process reads and orders them.

    GET    /_sandbox/statistics         DELETE: count anew
    GET    /_sandbox/faults             rules in force, and whether there is an outage
    POST   /_sandbox/faults             {"pattern", "fault", "arguments", "after_effect", "times", "probability"}
    POST   /_sandbox/outage             {"down": true}
    DELETE /_sandbox/faults             take all rules away and end an outage
    POST   /_sandbox/edit               of a shop: {"edit": "set_title", "arguments": {...}, "unstamped": false}
                                        -> {"result": ...}

Each stand-in adds controls of its own. A request that cannot be understood is answered 400 with one line. A browser's
is refused: any page in it can send one to loopback.

Statistics count what a stand-in was asked: calls by route, answers by route and status, and how many at the same time.
Benchmarks and tests read them to prove how few calls the daemon makes and that its limits on concurrency hold.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
import trio
from attrs import define, field

from daemon.sandbox.faults import BY_NAME, Act, Faults
from daemon.sandbox.message import Match, Refused, Request, Response, Router, json, route, text

WINDOW_SECONDS = 30.0
"""Calls are also counted per window of this length, as BigCommerce does (bigcommerce.md section 10)."""


@define
class Statistics:
    """Counters since the start or the last `reset`."""

    calls: Counter[str] = field(factory=Counter)
    answers: Counter[str] = field(factory=Counter)
    windows: Counter[int] = field(factory=Counter)
    in_flight: int = 0
    most_in_flight: int = 0

    @property
    def total(self) -> int:
        """Number of calls."""
        return self.calls.total()

    @contextlib.contextmanager
    def call(self, route: str) -> Iterator[None]:
        """Count one call of `route`, which lasts as long as the block."""
        self.calls[route] += 1
        self.windows[int(trio.current_time() / WINDOW_SECONDS)] += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            yield
        finally:
            self.in_flight -= 1

    def reset(self) -> None:
        """Start counting anew."""
        self.calls.clear()
        self.answers.clear()
        self.windows.clear()
        self.most_in_flight = self.in_flight

    def as_json(self) -> dict[str, Any]:
        """Return the counters for `GET /_sandbox/statistics`."""
        return {
            "total": self.total,
            "calls": dict(self.calls),
            "answers": dict(self.answers),
            "windows": list(self.windows.values()),
            "in_flight": self.in_flight,
            "most_in_flight": self.most_in_flight,
        }


AFTER_EFFECT = ("truncate", "php_warning")
"""Faults that change an answer, so they stand after the effect."""

VERBS = frozenset(
    {
        *("set", "add", "update", "delete", "move", "rename", "recreate", "rotate", "define"),
        *("trash", "restore", "empty"),
        *("place", "ship", "refund", "cancel", "archive"),
    }
)
"""Prefix of an edit's name."""


class StandIn:
    """The base of a stand-in: an API that a server serves at `url`.

    A subclass includes the parts of its API in `routes`, and marks controls of its own as routes below `/_sandbox/`.
    A control takes the fields of the body as arguments; what it returns is the answer, None being 204.
    """

    def __init__(self, url: str = "") -> None:
        self.url = url
        self.faults = Faults()
        self.acts: Mapping[str, Callable[..., Act]] = BY_NAME
        """The faults that can be ordered over HTTP."""
        self.statistics = Statistics()
        self.routes = Router()
        self._controls = Router()
        self._controls.include(self)

    def find(self, request: Request) -> Match | None:
        """Find the route of a request."""
        return self.routes.find(request.method, request.path)

    def answer(self, request: Request, match: Match | None) -> Response:
        """Answer a request; `match` is None when there is no such route. Never awaits."""
        try:
            self.admit(request, match)
            return match.handler(request, **match.parameters) if match else self.unknown(request)
        except Refused as refused:
            return refused.response

    def admit(self, request: Request, match: Match | None) -> None:
        """Let a request pass. Raises Refused for one that the API does not look at more closely."""

    def unknown(self, request: Request) -> Response:
        """Answer a request without a route."""
        return text(f"there is no {request.method} {request.path}", 405 if self.routes.allowed(request.path) else 404)

    async def aclose(self) -> None:
        """Close what the stand-in opened."""

    def control(self, request: Request) -> Response:
        """Answer a request below `/_sandbox/`."""
        if "origin" in request.headers:
            return text("not for browsers", 403)
        match = self._controls.find(request.method, request.path)
        if match is None:
            return text("no such control", 404)
        try:
            told: Any = match.handler(**msgspec.json.decode(request.body or b"{}", type=dict[str, Any]))
        except (msgspec.DecodeError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
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


class ShopStandIn(StandIn):
    """The base of a shop's stand-in, whose edits can be ordered by name: `set_title`, `customers.update`, ...

    `parts` are the owners of edits by the prefix of their names; the shop itself has none.
    """

    def __init__(self, url: str, parts: Mapping[str, Any]) -> None:
        super().__init__(url)
        self._parts = parts

    @route("POST", "/_sandbox/edit")
    def _edit(self, edit: str, arguments: Mapping[str, Any] | None = None, *, unstamped: bool = False) -> Any:
        known = {
            prefix + name: getattr(part, name)
            for prefix, part in self._parts.items()
            for name in dir(type(part))
            if name.split("_")[0] in VERBS
        }
        if edit not in known:
            raise ValueError(f"no such edit; there are {', '.join(sorted(known))}")
        with self._parts[""].unstamped() if unstamped else contextlib.nullcontext():
            return {"result": known[edit](**(arguments or {}))}
