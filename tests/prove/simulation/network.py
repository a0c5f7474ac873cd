"""The network between the daemon and the sandbox's two APIs: in memory, with weather, and with witnesses.

Every request of the daemon passes `Network.exchange`, however it was sent: the daemon's own clients have connections
without sockets. A request takes a moment each way. When the daemon dies, what is on its way may still arrive.
"""

import random
from collections.abc import Callable, Mapping
from email.utils import formatdate
from functools import partial
from typing import Protocol

import httpx
import msgspec
import trio
from attrs import define, frozen

from daemon.model import Kind
from daemon.sandbox import SparkLayer
from daemon.sandbox.control import StandIn
from daemon.sandbox.message import Request, Response
from daemon.sandbox.transport import Exchange
from daemon.sparklayer.operation import NOBODY
from tests.prove.simulation.faults import SHOP, SITE, Fault, FaultPlan
from tests.prove.simulation.omissions import by_ids, enumerates, shortened, without_one
from tests.prove.simulation.steady import Clock
from tests.prove.simulation.stores.base import StoreType
from tests.prove.simulation.trace import Trace
from tests.prove.simulation.words import BANNED

_SIDES = {"shop.test": SHOP, "site.test": SITE}
TRAVEL_SECONDS = 0.02
HANG_SECONDS = 3600.0
LINGER_SECONDS = 5.0


@frozen
class Call:
    """A request and what it was answered; `at` is when it had its effect, None when it had none."""

    side: str
    request: Request
    life: int
    number: int


class Observer(Protocol):
    """Sees every request."""

    def sent(self, call: Call) -> None:
        """Note that the daemon has sent it."""

    def done(self, call: Call, response: Response) -> None:
        """Note that it had its effect just now."""

    def answered(self, call: Call, response: Response) -> None:
        """Note that the daemon gets this answer now."""

    def over(self, call: Call) -> None:
        """Note that the daemon waits for it no more, answered or not."""


@define(eq=False)
class Connected:
    """One life's access to the network, until it dies."""

    number: int
    dead: bool = False


class Network:
    """See the module."""

    def __init__(
        self,
        store: StoreType,
        shop: StandIn,
        site: SparkLayer,
        faults_planned: FaultPlan,
        witnesses: list[Observer],
        trace: Trace,
        chance: random.Random,
        clock: Clock,
    ) -> None:
        self._store, self._clock = store, clock
        self._apis: dict[str, StandIn] = {SHOP: shop, SITE: site}
        self._tokens = site.tokens
        self._faults_planned, self._witnesses, self._trace, self._chance = faults_planned, witnesses, trace, chance
        self._numbers = 0
        self.odd: Callable[[str, str], Response | None] = lambda _side, _operation: None
        """Returns what stands in for the answer of an operation, given its side and name."""
        self.overtaken: Callable[[Response], object] | None = None
        """Is called once, as soon as a page of products is read; then the page takes its time."""

    def connection(self, life: Connected) -> Exchange:
        """Return what stands in for a connection of the daemon's HTTP client."""
        return Exchange(partial(self.exchange, life))

    async def exchange(self, life: Connected, asked: Request) -> Response:
        """Carry a request there and its answer back. Raises httpx's errors as its transport does."""
        if life.dead:
            raise httpx.ConnectError("the process is dead")
        self._numbers += 1
        call = Call(_SIDES[asked.headers["host"]], asked, life.number, self._numbers)
        fault = self._faults_planned.strike(call.side, call.request.method, call.request.path)
        self._trace.add(
            ">", call.side, call.number, call.request.method, call.request.path, call.request.query, fault or ""
        )
        for observer in self._witnesses:
            observer.sent(call)
        try:
            response = await self._there_and_back(life, call, fault)
        finally:
            for observer in self._witnesses:
                observer.over(call)
        self._trace.add("<", call.side, call.number, response.status)
        for observer in self._witnesses:
            observer.answered(call, response)
        return response

    async def _there_and_back(self, life: Connected, call: Call, fault: Fault | None) -> Response:
        try:
            await trio.sleep(TRAVEL_SECONDS * self._chance.random())
            self._leave(life)
            match = self._apis[call.side].find(call.request)
            # A control question for an id that cannot exist is asked to find out who answers: it gets the truth.
            asks = NOBODY in call.request.path
            response = None if asks else self.odd(call.side, match.name if match else "unknown")
            if response is None and fault and not fault.after:
                response = await self._struck(call, fault, None)
        except trio.Cancelled:
            self._cut_short(life, call)
            raise
        if response is None:
            response = self._carry_out(call)
            if fault and fault.after:
                response = await self._struck(call, fault, response) or response
            await self._overtake(call, response)
        if self._faults_planned.forgetful and enumerates(self._store, call.request):
            response = without_one(response, self._chance)
        await trio.sleep(TRAVEL_SECONDS * self._chance.random())
        return response

    async def _overtake(self, call: Call, response: Response) -> None:
        listed = self._store.lists.get(call.request.path.removeprefix(self._store.root))
        page = listed is Kind.PRODUCTS and not by_ids(self._store, call.request)
        if self.overtaken is not None and page and response.status == 200:
            happen, self.overtaken = self.overtaken, None
            happen(response)
            await trio.sleep(LINGER_SECONDS)

    def _cut_short(self, life: Connected, call: Call) -> None:
        """Let a request have its effect, or none, though its sender is gone."""
        if life.dead and self._chance.random() < 0.5:
            self._carry_out(call)

    def _leave(self, life: Connected) -> None:
        """See a request leave the process. Raises httpx's errors when it cannot."""

    def _carry_out(self, call: Call) -> Response:
        api = self._apis[call.side]
        match = api.find(call.request)
        api.statistics.calls[match.name if match else "unknown"] += 1
        response = _BANNED if _is_banned(call) else api.answer(call.request, match)
        for observer in self._witnesses:
            observer.done(call, response)
        return response

    async def _struck(self, call: Call, fault: Fault, response: Response | None) -> Response | None:
        """Let a fault have its way; return the answer that stands in for the proper one, if there is one."""
        if fault.name in _ERRORS:
            error, words = _ERRORS[fault.name]
            raise error(words)
        if fault.name in {"slow", "hang"}:
            slow = fault.number * (0.5 + self._chance.random())
            await trio.sleep(slow if fault.name == "slow" else HANG_SECONDS)
            return None
        if fault.name == "revoke":
            self._tokens.revoke()
            return None
        if fault.name == "short":
            listed = self._faults_planned.short_pages or by_ids(self._store, call.request)
            return shortened(response, self._chance) if listed else None
        if fault.name == "refuse-until":
            return _refusal_until(fault, self._clock.true_time())
        if (act := self._store.foreign.get(fault.name)) is not None:
            return await act(call.request, response)
        return _ANSWERS[fault.name](call, fault, response)


_ERRORS: Mapping[str, tuple[type[httpx.TransportError], str]] = {
    "connect": (httpx.ConnectError, "refused"),
    "reset": (httpx.ReadError, "reset"),
    "truncate": (httpx.RemoteProtocolError, "peer closed connection without sending complete message body"),
}


def _is_banned(call: Call) -> bool:
    """Return true if SparkLayer refuses a product for its title."""
    request = call.request
    return call.side == SITE and request.path.startswith("/api/v1/products") and BANNED.encode() in request.body


_BANNED = Response(
    status=403,
    headers={"content-type": "application/problem+json"},
    body=msgspec.json.encode({"title": "Forbidden", "status": 403, "detail": "This title is not allowed"}),
)


def _status(_call: Call, fault: Fault, _response: Response | None) -> Response:
    return Response(status=int(fault.number))


def _html(_call: Call, fault: Fault, _response: Response | None) -> Response:
    body = b"<html><h1>%s</h1></html>" % (b"Log in" if fault.number < 300 else b"Bad Gateway")
    return Response(status=int(fault.number), headers={"content-type": "text/html"}, body=body)


def _text(_call: Call, fault: Fault, _response: Response | None) -> Response:
    body = b'{"message": "no Route matched with those values"}'
    return Response(status=int(fault.number), headers={"content-type": "application/json"}, body=body)


def _refusal(_call: Call, fault: Fault, _response: Response | None) -> Response:
    return Response(status=429, headers={"retry-after": f"{fault.number:g}"} if fault.number else {})


def _refusal_until(fault: Fault, now: float) -> Response:
    moments = {"date": now, "retry-after": now + fault.number}
    return Response(status=429, headers={name: formatdate(moment, usegmt=True) for name, moment in moments.items()})


def _cut(_call: Call, _fault: Fault, response: Response | None) -> Response | None:
    """Cut the content of a good answer, of which the length is right all the same."""
    if response is None or response.status >= 300:
        return None
    return Response(status=200, headers=response.headers, body=response.body[: len(response.body) // 2])


def _concurrent(call: Call, _fault: Fault, _response: Response | None) -> Response | None:
    """Refuse a product's write because somebody else writes it at this moment."""
    if not call.request.path.startswith("/api/v1/products"):
        return None
    body = msgspec.json.encode({"title": "Conflict", "status": 409, "detail": "Somebody else writes this product"})
    return Response(status=409, headers={"content-type": "application/problem+json"}, body=body)


_ANSWERS: Mapping[str, Callable[[Call, Fault, Response | None], Response | None]] = {
    "status": _status,
    "html": _html,
    "text": _text,
    "refuse": _refusal,
    "garbage": _cut,
    "conflict": _concurrent,
}
