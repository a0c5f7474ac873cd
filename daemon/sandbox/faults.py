"""The fault switchboard of a stand-in: everything a network and a tired API do, on command.

A rule has a pattern, a glob on `METHOD /path` such as `PATCH */products/*` (a star also crosses slashes), and an
act. It works before the request has its effect or, with `after_effect`, between the effect and the answer; for a
certain number of times, or until removed; always, or with a probability drawn from a seeded generator.

    faults.add("PATCH */products/*", answer(503), times=2)
    faults.add("POST *", reset(), after_effect=True, times=1)       # carried out, but the caller cannot know
    faults.add("GET */catalog/products", call(lambda request: store.set_title(1, "new")), after_effect=True)
    async with faults.hold("GET *") as held:
        await held.arrived()
    faults.down = True                                              # an outage, until set back
"""

import contextlib
import inspect
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import trio
from attrs import define, evolve

from daemon.sandbox.message import Request, Response, text

Act = Callable[[Request, Response | None], Awaitable[Response | None]]
"""Gets the request and, after the effect, the answer. What it returns replaces the answer; None leaves it."""


class HangUp(Exception):
    """Reset the connection instead of answering."""


@define(eq=False)
class Rule:
    """One fault in force; `used` counts how often it struck."""

    pattern: str
    act: Act
    after_effect: bool
    times: int | None
    probability: float
    used: int = 0


class Held:
    """Requests that wait in a `hold`."""

    def __init__(self) -> None:
        self.count = 0
        self._released = trio.Event()
        self._lot = trio.lowlevel.ParkingLot()

    async def arrived(self, count: int = 1) -> None:
        """Wait until `count` requests have come."""
        while self.count < count:
            await self._lot.park()

    def release(self) -> None:
        """Let every request go on, the waiting ones and those to come."""
        self._released.set()

    async def act(self, _request: Request, _response: Response | None) -> None:
        """Hold one request."""
        self.count += 1
        self._lot.unpark_all()
        await self._released.wait()


class Faults:
    """The switchboard of one server. Rules strike in the order they were added."""

    def __init__(self, seed: int = 0) -> None:
        self.down = False
        self.latency = 0.0
        """Seconds that every request takes longer, faults or not."""
        self.rules: list[Rule] = []
        self._random = random.Random(seed)  # noqa: S311  reproducible on purpose

    def add(
        self,
        pattern: str,
        act: Act,
        *,
        after_effect: bool = False,
        times: int | None = None,
        probability: float = 1.0,
    ) -> Rule:
        """Put a fault in force and return its rule."""
        rule = Rule(pattern, act, after_effect, times, probability)
        self.rules.append(rule)
        return rule

    def remove(self, rule: Rule) -> None:
        """Take one rule away."""
        self.rules.remove(rule)

    def clear(self) -> None:
        """Take all rules away and end an outage."""
        self.rules.clear()
        self.down = False

    @contextlib.asynccontextmanager
    async def hold(self, pattern: str, *, after_effect: bool = False) -> AsyncIterator[Held]:
        """Let matching requests wait until released or the block ends."""
        held = Held()
        rule = self.add(pattern, held.act, after_effect=after_effect)
        try:
            yield held
        finally:
            held.release()
            with contextlib.suppress(ValueError):  # clear() may have been quicker
                self.remove(rule)

    async def before(self, request: Request) -> Response | None:
        """Run what stands before the effect. A response stands in for the effect. Raises HangUp."""
        if self.latency:
            await trio.sleep(self.latency)
        if self.down:
            raise HangUp
        return await self._run(request, None, after_effect=False) if self.rules else None

    async def after(self, request: Request, response: Response) -> Response:
        """Run what stands between the effect and the answer. Raises HangUp."""
        if self.rules:
            response = await self._run(request, response, after_effect=True) or response
        if self.down:
            raise HangUp
        return response

    async def _run(self, request: Request, response: Response | None, *, after_effect: bool) -> Response | None:
        words = f"{request.method} {request.path}"
        for rule in list(self.rules):
            draw, spent = self._random.random(), rule.times is not None and rule.used >= rule.times
            fits = rule.after_effect is after_effect and fnmatchcase(words, rule.pattern)
            if fits and not spent and draw < rule.probability:
                rule.used += 1
                response = await rule.act(request, response) or response
                if response is not None and not after_effect:
                    break
        return response


def at_once(act: Callable[[Request, Response | None], Response | None]) -> Act:
    """Return an act that takes no time."""

    async def acting(request: Request, response: Response | None) -> Response | None:
        return act(request, response)

    return acting


def answer(status: int, body: str = "", headers: Mapping[str, str] | None = None) -> Act:
    """Answer with `status`; without a body there is no content type either."""
    return at_once(lambda _request, _response: Response(status=status, headers=dict(headers or {}), body=body.encode()))


def html(status: int = 502) -> Act:
    """Answer as a proxy in front of the API does."""
    return answer(status, "<html><body><h1>Bad Gateway</h1></body></html>", {"content-type": "text/html"})


def garbage() -> Act:
    """Answer 200 with something that claims to be JSON and is not."""
    return answer(200, '{"data": [', {"content-type": "application/json"})


def delay(seconds: float) -> Act:
    """Take `seconds` longer."""

    async def act(_request: Request, _response: Response | None) -> None:
        await trio.sleep(seconds)

    return act


def reset() -> Act:
    """Reset the connection."""
    return at_once(_hang_up)


def _hang_up(_request: Request, _response: Response | None) -> Response:
    raise HangUp


def truncate() -> Act:
    """Hang up in the middle of the answer's body. Stands after the effect."""
    return at_once(lambda _, response: evolve(response or text("cut off before the effect", 200), cut=True))


def call(fn: Callable[[Request], Any]) -> Act:
    """Call `fn(request)`, awaiting what it returns if need be: edits between a page's reading and its answer."""

    async def act(request: Request, _response: Response | None) -> None:
        result = fn(request)
        if inspect.isawaitable(result):
            await result

    return act


BY_NAME: Mapping[str, Callable[..., Act]] = {
    fault.__name__: fault for fault in (answer, html, garbage, delay, reset, truncate)
}
"""The faults that can be ordered over HTTP."""
