"""Hands out turns in front of one API of one connection.

Always holds: at most `concurrency` turns are out, and backfill has at most `concurrency - reserved` of them. The policy
allowed each of them, and none is granted while the breaker is open. Live goes first, but after eight live turns a
waiting backfill gets one. A caller may be cancelled anywhere: it gives its place or turn back, and the next one wakes.

A request may have to leave before a certain time, such as a write that follows a read. It is next, whatever waits, and
still keeps to the policy. If it cannot leave in time, `turn` raises Retry, and the caller reads again.

A 429 holds back its own request, known by its key, for the time that its headers ask for, or for a moment if they ask
for none. Up to 5 seconds are waited here. For a longer wait `turn` raises Retry at once, and nothing is sent. `finish`
ends all waits except ordinary pacing.

The limiter has no task. A caller that comes, leaves, or wakes by its timer runs `_dispatch`, which grants every turn it
can and sets the timers of the next in line. The policy and the breaker decide; this file only waits.
"""

import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus

import trio
from attrs import define, field, frozen

from daemon.errors import Blocked, Failure, Retry, Side
from daemon.model import Lane
from daemon.transport.retry_after import retry_after
from daemon.transport.throttle.aside import standing_aside
from daemon.transport.throttle.breaker import Breaker
from daemon.transport.throttle.policy import PAUSE_SECONDS, Numbers, Policy

LIVE_IN_A_ROW = 8
LONGEST_SHORT_WAIT = 5.0
"""Longest wait in seconds for the next attempt of a request; beyond it, `turn` and `shortly` raise Retry."""

HELD_BACK = f"http_{HTTPStatus.TOO_MANY_REQUESTS.value}"
"""Reason of the Retry for a 429, and for a request held back because of one."""

MOST_HELD = 1000
"""Held-back requests remembered at most; beyond this the oldest is forgotten."""

PACING_SECONDS = 1.0
"""Longest wait in seconds that is ordinary pacing: it is waited for even while the process stops."""

SHORTEST_SLEEP = 1e-4
"""Seconds. A sleep below the clock's resolution would spin."""

TOO_LATE = "turn_too_late"
"""Reason of the Retry for a request that could not leave before its time."""


@frozen(kw_only=True)
class LimiterStatistics:
    """A snapshot, for metrics and /admin/status."""

    api: str
    waiting: Mapping[Lane, int]
    oldest: Mapping[Lane, float]
    """Seconds that the first in line has waited; 0 for an empty queue."""
    in_flight: int
    numbers: Numbers
    """The policy's numbers, each None when unknown."""
    held_back: int
    """Requests held back because of their own 429."""
    held_seconds: float
    """Seconds left of the longest of these waits."""
    breaker: str
    """closed, open or half_open."""
    granted: int
    refused: int
    """Number of 429 answers."""
    opened: int
    """Number of times that the breaker opened."""
    waited: float
    """Seconds spent waiting for turns, in total."""


@define(eq=False)
class Turn:
    """A place in the queue, and then the right to send one request. Report its outcome by one `observe` or `lost`.

    `woken` comes when the turn is granted or fails, or with neither if its request is now held back. A turn with an
    end, `before`, is ahead of those without.
    """

    lane: Lane
    key: Hashable
    asked: float
    before: float
    scope: trio.CancelScope
    woken: trio.Event = field(init=False, factory=trio.Event)
    failure: Failure | None = field(init=False, default=None)
    is_granted: bool = field(init=False, default=False)
    began: float = field(init=False, default=-math.inf)
    ticket: int = field(init=False, default=0)
    answered: bool | None = field(init=False, default=None)
    status: int = field(init=False, default=0)
    headers: Mapping[str, str] = field(init=False, factory=dict)

    @property
    def is_urgent(self) -> bool:
        """True if the request must leave before a certain time."""
        return self.before < math.inf

    def observe(self, status: int, headers: Mapping[str, str]) -> None:
        """Record an answer; `headers` has lower-case names."""
        self.answered, self.status, self.headers = True, status, headers

    def lost(self) -> None:
        """Record that no answer came: a timeout or a network failure."""
        self.answered = False


class Limiter:
    """The throttle of one API of one connection. `wall` gives seconds since the epoch, for dates in Retry-After."""

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
        self._queues: Mapping[Lane, deque[Turn]] = {lane: deque() for lane in Lane}
        self._out = dict.fromkeys(Lane, 0)
        self._in_flight = 0
        self._live_in_a_row = 0
        self._held: dict[Hashable, float] = {}
        """End of each held-back request's wait, by its key."""
        self._finish = trio.Event()
        self._guest = False
        self._behind: Limiter | None = None
        self._granted = 0
        self._refused = 0
        self._waited = 0.0

    @asynccontextmanager
    async def turn(self, lane: Lane, key: Hashable = None, before: float = math.inf) -> AsyncIterator[Turn]:
        """Wait for a turn. Raises Blocked (reason "breaker_open") while the breaker is open.

        Raises Retry for a request that is held back for more than 5 seconds (reason "http_429"), for one that would
        wait while the process stops (reason "stopping"), and for one that has no turn `before` a time of trio's clock
        (reason "turn_too_late"). In all these cases nothing was sent. `key` identifies the request: repeated failures
        of a single request do not open the breaker. A block that ends without an outcome, because it was cancelled,
        gives the turn back.
        """
        if self._behind is not None:
            async with self._behind.turn(Lane.BACKFILL, key, before) as theirs:
                yield theirs
            return
        turn = await self._enter(Lane.BACKFILL if self._guest else lane, key, before)
        try:
            yield turn
        finally:
            self._leave(turn)

    def finish(self) -> None:
        """From now on refuse requests that would have to wait, except for ordinary pacing."""
        self._finish.set()
        self._dispatch(trio.current_time())

    def be_guest(self) -> None:
        """From now on hand out one turn at a time, as for backfill: another process sends to the same API."""
        self._guest, self._concurrency, self._for_backfill = True, 1, 1

    def stay_behind(self, other: "Limiter") -> None:
        """From now on hand out turns of another limiter of the same API, all of them as for backfill."""
        self._behind = other if other is not self else None

    def statistics(self) -> LimiterStatistics:
        """Return a snapshot of the queues, the policy and the breaker."""
        if self._behind is not None:
            return self._behind.statistics()
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

    async def _enter(self, lane: Lane, key: Hashable, before: float) -> Turn:
        # A cancelled caller must not use up a turn; another caller that gets its turn at once need not yield.
        await trio.lowlevel.checkpoint_if_cancelled()
        while True:
            # A turn woken without being granted or failing returns here, since its request was held back meanwhile.
            await self._hold_back(key, before)
            now = trio.current_time()
            if now >= before:
                raise self._too_late()
            turn = Turn(lane, key, now, before, trio.CancelScope(deadline=before))
            queue = self._queues[lane]
            behind = (index for index, other in enumerate(queue) if not other.is_urgent)
            queue.insert(next(behind, len(queue)) if turn.is_urgent else len(queue), turn)
            self._dispatch(now)
            if not turn.woken.is_set():
                await self._wait(turn)
            if turn.failure is not None:
                raise turn.failure
            if turn.is_granted:
                return turn

    async def _hold_back(self, key: Hashable, before: float) -> None:
        """Wait until the request with this key is no longer held back.

        Raises Retry if that is over 5 seconds away, or not `before` the time when the request must leave.
        """
        while (wait := self._held.get(key, 0.0) - (now := trio.current_time())) > 0:
            # A long wait belongs to the caller, which can put the entity off and work on another meanwhile.
            if wait > LONGEST_SHORT_WAIT or now + wait >= before or self._finish.is_set():
                words = f"{self._api}: answered 429, next try in {wait:.0f} s"
                raise Retry(words, reason=HELD_BACK, after=wait)
            with standing_aside(), trio.move_on_after(wait):
                await self._finish.wait()

    async def _wait(self, turn: Turn) -> None:
        """Sleep until the turn is granted or fails; run `_dispatch` when its timer ends.

        Raises Retry when the turn has come to its end.
        """
        try:
            while not turn.woken.is_set():
                with turn.scope:
                    await turn.woken.wait()
                    return
                if trio.current_time() >= turn.before:
                    self._withdraw(turn)
                    raise self._too_late()
                # A cancel scope can be entered only once, so the next timer needs a new one.
                turn.scope = trio.CancelScope(deadline=turn.before)
                self._dispatch(trio.current_time())
        except trio.Cancelled:
            self._withdraw(turn)
            raise

    def _withdraw(self, turn: Turn) -> None:
        """Remove the turn of a caller that leaves; it may have been granted in the same instant."""
        if turn.is_granted:
            # It is unused, so it must come back, or its slot would be lost forever.
            self._leave(turn)
        elif not turn.woken.is_set():
            self._queues[turn.lane].remove(turn)
            self._dispatch(trio.current_time())

    def _leave(self, turn: Turn) -> None:
        # Runs in the finally of a cancelled caller too, so it must not await.
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
            # Even without a Retry-After the same request must not come back at once.
            after = retry_after(turn.headers, self._wall())
            self._hold(turn.key, now + max(after or 0.0, PAUSE_SECONDS))
            self._policy.refused(now, turn.began, turn.headers, after)
        else:
            # A copy sent earlier may succeed while this request is held back: its wait must not end early.
            if self._held.get(turn.key, math.inf) <= now:
                del self._held[turn.key]
            self._policy.accepted(now, turn.began, turn.headers)

    def _hold(self, key: Hashable, until: float) -> None:
        """Hold a request back until the time `until`, together with waiting copies of it.

        Copies of a request may be under way at the same time: the longest wait counts, and an earlier copy's answer
        does not shorten it.
        """
        if key is None:
            return
        # Popped first, so that the key moves to the end: the oldest is forgotten first.
        self._held[key] = max(until, self._held.pop(key, until))
        for queue in self._queues.values():
            for turn in [one for one in queue if one.key == key]:
                queue.remove(turn)
                turn.woken.set()
        while len(self._held) > MOST_HELD:
            del self._held[next(iter(self._held))]

    def _dispatch(self, now: float) -> None:
        """Grant every turn that can be granted now, and set the timers of the next in line."""
        live, backfill = self._queues.values()
        while live or backfill:
            # Asked before each grant: the granted probe makes the breaker half open, so the rest is refused.
            if blocked := self._breaker.wait(now):
                self._refuse(partial(self._breaker_open, blocked))
                return
            turn = self._next(now, live, backfill)
            if turn is None:
                break
            self._grant(turn, now)
        if self._finish.is_set():
            # An infinite wait ends with the next answer, which is already under way.
            wait = max(self._policy.wait(now, lane, self._in_flight) for lane in Lane)
            if PACING_SECONDS < wait < math.inf:
                words = f"{self._api}: the process stops, next try in {wait:.0f} s"
                self._refuse(partial(Retry, words, reason="stopping", after=wait))

    def _next(self, now: float, live: deque[Turn], backfill: deque[Turn]) -> Turn | None:
        fair = bool(backfill) and self._live_in_a_row >= LIVE_IN_A_ROW
        if any(queue and queue[0].is_urgent for queue in (live, backfill)):
            fair = not (live and live[0].is_urgent)
        for queue in (backfill, live) if fair else (live, backfill):
            if queue and self._has_room(queue[0].lane):
                wait = self._policy.wait(now, queue[0].lane, self._in_flight)
                if not wait:
                    return queue[0]
                # Only the first in line needs a timer: those behind it cannot go earlier.
                queue[0].scope.deadline = min(now + max(wait, SHORTEST_SLEEP), queue[0].before)
        return None

    def _has_room(self, lane: Lane) -> bool:
        if self._in_flight >= self._concurrency:
            return False
        return lane is Lane.LIVE or self._out[lane] < self._for_backfill

    def _grant(self, turn: Turn, now: float) -> None:
        lane = turn.lane
        self._queues[lane].popleft()
        self._policy.granted(now)
        turn.is_granted, turn.began, turn.ticket = True, now, self._breaker.begin()
        turn.woken.set()
        self._in_flight += 1
        self._out[lane] += 1
        self._granted += 1
        self._waited += now - turn.asked
        # Only live turns taken while backfill waits count towards backfill's turn.
        contested = lane is Lane.LIVE and self._queues[Lane.BACKFILL]
        self._live_in_a_row = self._live_in_a_row + 1 if contested else 0

    def _too_late(self) -> Retry:
        return Retry(f"{self._api}: there was no turn in time", reason=TOO_LATE)

    def _breaker_open(self, wait: float) -> Blocked:
        words = f"{self._api}: too many failures in a row, next try in {wait:.0f} s"
        return Blocked(words, reason="breaker_open", side=self._side, after=wait)

    def _refuse(self, failure: Callable[[], Failure]) -> None:
        for queue in self._queues.values():
            for turn in queue:
                turn.failure = failure()
                turn.woken.set()
            queue.clear()
