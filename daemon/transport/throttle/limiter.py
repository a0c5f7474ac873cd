"""Hands out turns in front of one API of one connection.

Always holds: never more than `concurrency` turns are out, of which backfill has at most `concurrency - reserved`;
none is out that the policy did not allow, and none while the breaker is open; live goes first, but after eight
live turns a waiting backfill gets one. A caller may be cancelled anywhere: its place or turn is given back, and
whoever can go next is woken.

A request that was refused with 429 is held back for as long as that asked, or for a moment when it asked for nothing,
known by its key, and no other: for a few seconds it waits here, and else it is refused at once, unsent, with the rest
of the wait. `finish` ends all waits that are not about to end.

There is no task of its own. Whoever comes, leaves, or wakes by its timer runs `_dispatch`, which grants all that
can be granted and sets the timers of those who come next. The policy and the breaker decide; this file only waits.
"""

import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus

import trio
from attrs import frozen

from daemon.errors import Blocked, Failure, Retry, Side
from daemon.model import Lane
from daemon.transport.retry_after import retry_after
from daemon.transport.throttle.aside import standing_aside
from daemon.transport.throttle.breaker import Breaker
from daemon.transport.throttle.policy import PAUSE_SECONDS, Numbers, Policy

LIVE_IN_A_ROW = 8
LONGEST_SHORT_WAIT = 5.0
"""Seconds for which a request that is held back waits here."""

MOST_HELD = 1000
"""Requests that are held back; then the oldest one is let go."""

PACING_SECONDS = 1.0
"""A wait of no more than this is the usual pace: it is waited for also while the process stops."""

SHORTEST_SLEEP = 1e-4
"""Sleeping for less than the clock can tell would spin."""


@frozen(kw_only=True)
class LimiterStatistics:
    """A snapshot, for metrics and /admin/status."""

    api: str
    waiting: Mapping[Lane, int]
    oldest: Mapping[Lane, float]
    """For how many seconds the first in line has been waiting; 0 where nobody waits."""
    in_flight: int
    numbers: Numbers
    """.rate .ceiling .remaining .quota, each None when unknown, and .pause."""
    held_back: int
    """Requests that were answered 429 and wait by themselves."""
    held_seconds: float
    """How long the one of them that waits longest has still to wait."""
    breaker: str
    """closed, open or half_open."""
    granted: int
    refused: int
    """Answers 429."""
    opened: int
    """How often the breaker opened."""
    waited: float
    """Seconds that turns were waited for, all together."""


class Turn:
    """The right to make one request now. Say how it went by exactly one of `observe` and `lost`."""

    __slots__ = ("answered", "began", "headers", "key", "lane", "status", "ticket")

    def __init__(self, lane: Lane, key: Hashable, began: float, ticket: int) -> None:
        self.lane = lane
        self.key = key
        self.began = began
        self.ticket = ticket
        self.answered: bool | None = None
        self.status = 0
        self.headers: Mapping[str, str] = {}

    def observe(self, status: int, headers: Mapping[str, str]) -> None:
        """There was an answer; `headers` has lower-case names."""
        self.answered, self.status, self.headers = True, status, headers

    def lost(self) -> None:
        """There was none: a timeout or a failure of the network."""
        self.answered = False


class _Place:
    """A place in the queue. `woken` is set once `turn` or `failure` is; with neither, its request is held back now."""

    __slots__ = ("asked", "failure", "key", "lane", "scope", "turn", "woken")

    def __init__(self, lane: Lane, key: Hashable, asked: float) -> None:
        self.lane = lane
        self.key = key
        self.asked = asked
        self.turn: Turn | None = None
        self.failure: Failure | None = None
        self.woken = trio.Event()
        self.scope = trio.CancelScope()


class Limiter:
    """The throttle of one API of one connection; see the module."""

    def __init__(
        self,
        *,
        api: str,
        side: Side,
        policy: Policy,
        concurrency: int = 8,
        reserved: int | None = None,
        breaker: Breaker | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._api = api
        self._side = side
        self._policy = policy
        self._concurrency = concurrency
        self._for_backfill = concurrency - (concurrency // 4 if reserved is None else reserved)
        self._breaker = breaker or Breaker()
        self._wall = wall
        self._queues: Mapping[Lane, deque[_Place]] = {lane: deque() for lane in Lane}
        self._out = dict.fromkeys(Lane, 0)
        self._in_flight = 0
        self._live_in_a_row = 0
        self._held: dict[Hashable, float] = {}
        """Until when a request is held back, by its key."""
        self._finish = trio.Event()
        self._granted = 0
        self._refused = 0
        self._waited = 0.0

    @asynccontextmanager
    async def turn(self, lane: Lane, key: Hashable = None) -> AsyncIterator[Turn]:
        """Wait for a turn. Raises Blocked (reason "breaker_open") while the breaker is open.

        Raises Retry for a request that is held back for long (reason "http_429"), and for one that would wait while
        the process stops (reason "stopping"): nothing was sent. `key` says which request it is for: the same one
        failing again does not make the breaker open. A block that ends without an outcome, because it was cancelled,
        gives the turn back.
        """
        turn = await self._enter(lane, key)
        try:
            yield turn
        finally:
            self._leave(turn)

    def finish(self) -> None:
        """Refuse whoever would have to wait from now on, but for a turn that is about to come."""
        self._finish.set()
        self._dispatch(trio.current_time())

    def statistics(self) -> LimiterStatistics:
        """Return a snapshot."""
        now = trio.current_time()
        held = [until - now for until in self._held.values() if until > now]
        return LimiterStatistics(
            api=self._api,
            waiting={lane: len(queue) for lane, queue in self._queues.items()},
            oldest={lane: now - queue[0].asked if queue else 0.0 for lane, queue in self._queues.items()},
            in_flight=self._in_flight,
            numbers=self._policy.numbers(now),
            held_back=len(held),
            held_seconds=max(held, default=0.0),
            breaker=self._breaker.state.value,
            granted=self._granted,
            refused=self._refused,
            opened=self._breaker.opened,
            waited=self._waited,
        )

    async def _enter(self, lane: Lane, key: Hashable) -> Turn:
        await trio.lowlevel.checkpoint_if_cancelled()
        while True:
            await self._hold_back(key)
            now = trio.current_time()
            place = _Place(lane, key, now)
            self._queues[lane].append(place)
            self._dispatch(now)
            if not place.woken.is_set():
                await self._wait(place)
            if place.failure is not None:
                raise place.failure
            if place.turn is not None:
                return place.turn

    async def _hold_back(self, key: Hashable) -> None:
        """Wait until a request that was refused may be sent again."""
        while (wait := self._held.get(key, 0.0) - trio.current_time()) > 0:
            if wait > LONGEST_SHORT_WAIT or self._finish.is_set():
                words = f"{self._api}: answered 429, next try in {wait:.0f} s"
                raise Retry(words, reason="http_429", after=wait)
            with standing_aside(), trio.move_on_after(wait):
                await self._finish.wait()

    async def _wait(self, place: _Place) -> None:
        """Sleep until the place is settled, dispatching whenever its timer rings."""
        try:
            while not place.woken.is_set():
                with place.scope:
                    await place.woken.wait()
                    return
                place.scope = trio.CancelScope()
                self._dispatch(trio.current_time())
        except trio.Cancelled:
            self._withdraw(place)
            raise

    def _withdraw(self, place: _Place) -> None:
        """Forget a place whose owner was cancelled, perhaps in the same instant in which it got its turn."""
        if place.turn is not None:
            self._leave(place.turn)
        elif not place.woken.is_set():
            self._queues[place.lane].remove(place)
            self._dispatch(trio.current_time())

    def _leave(self, turn: Turn) -> None:
        now = trio.current_time()
        self._in_flight -= 1
        self._out[turn.lane] -= 1
        if turn.answered:
            self._learn(turn, now)
        else:
            self._policy.lost(now, turn.began)
            if turn.answered is None:
                self._breaker.gave_up(turn.ticket)
            else:
                self._breaker.failed(turn.ticket, now, turn.key)
        self._dispatch(now)

    def _learn(self, turn: Turn, now: float) -> None:
        if turn.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._breaker.failed(turn.ticket, now, turn.key)
        else:
            self._breaker.succeeded(turn.ticket, turn.key)
        if turn.status == HTTPStatus.TOO_MANY_REQUESTS:
            self._refused += 1
            after = retry_after(turn.headers, self._wall())
            self._hold(turn.key, now + max(after or 0.0, PAUSE_SECONDS))
            self._policy.refused(now, turn.began, turn.headers, after)
        else:
            if self._held.get(turn.key, math.inf) <= now:
                del self._held[turn.key]
            self._policy.accepted(now, turn.began, turn.headers)

    def _hold(self, key: Hashable, until: float) -> None:
        """Hold a request back, and whoever waits with the same one; an answer to one sent before ends that no sooner.

        The same request may be under way several times at once: the longest wait that was asked for counts.
        """
        if key is None:
            return
        self._held[key] = max(until, self._held.pop(key, until))
        for queue in self._queues.values():
            for place in [one for one in queue if one.key == key]:
                queue.remove(place)
                place.woken.set()
        while len(self._held) > MOST_HELD:
            del self._held[next(iter(self._held))]

    def _dispatch(self, now: float) -> None:
        """Grant every turn that can be granted now, and set the timers of those who come next."""
        live, backfill = self._queues.values()
        while live or backfill:
            if blocked := self._breaker.wait(now):
                self._refuse(partial(self._breaker_open, blocked))
                return
            place = self._next(now, live, backfill)
            if place is None:
                break
            self._grant(place, now)
        if self._finish.is_set():
            wait = max(self._policy.wait(now, lane, self._in_flight) for lane in Lane)
            if PACING_SECONDS < wait < math.inf:
                words = f"{self._api}: the process stops, next try in {wait:.0f} s"
                self._refuse(partial(Retry, words, reason="stopping", after=wait))

    def _next(self, now: float, live: deque[_Place], backfill: deque[_Place]) -> _Place | None:
        fair = bool(backfill) and self._live_in_a_row >= LIVE_IN_A_ROW
        for queue in (backfill, live) if fair else (live, backfill):
            if queue and self._has_room(queue[0].lane):
                wait = self._policy.wait(now, queue[0].lane, self._in_flight)
                if not wait:
                    return queue[0]
                queue[0].scope.deadline = now + max(wait, SHORTEST_SLEEP)
        return None

    def _has_room(self, lane: Lane) -> bool:
        if self._in_flight >= self._concurrency:
            return False
        return lane is Lane.LIVE or self._out[lane] < self._for_backfill

    def _grant(self, place: _Place, now: float) -> None:
        lane = place.lane
        self._queues[lane].popleft()
        self._policy.granted(now)
        place.turn = Turn(lane, place.key, now, self._breaker.begin())
        place.woken.set()
        self._in_flight += 1
        self._out[lane] += 1
        self._granted += 1
        self._waited += now - place.asked
        contested = lane is Lane.LIVE and self._queues[Lane.BACKFILL]
        self._live_in_a_row = self._live_in_a_row + 1 if contested else 0

    def _breaker_open(self, wait: float) -> Blocked:
        words = f"{self._api}: too many failures in a row, next try in {wait:.0f} s"
        return Blocked(words, reason="breaker_open", side=self._side, after=wait)

    def _refuse(self, failure: Callable[[], Failure]) -> None:
        for queue in self._queues.values():
            for place in queue:
                place.failure = failure()
                place.woken.set()
            queue.clear()
