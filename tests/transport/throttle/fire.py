"""A hostile API with a quota, and the work of a limiter in front of it; the results are counted.

A window of the quota begins with the first request in it. Other apps share the quota, and it can shrink. During a storm
the API refuses nearly every request. Its quota headers can be missing, and its clock can be wrong. A seed decides all
random events; the time is trio's.
"""

import random
from collections.abc import Callable, Mapping
from email.utils import formatdate

import trio
from attrs import define, field, frozen

from daemon.errors import Side
from daemon.model import Lane
from daemon.transport.throttle import Limiter, Policy, WindowPolicy

WALL = 1_790_000_000.0
"""Our wall clock when trio's clock shows 0."""


@frozen(kw_only=True)
class FaultPlan:
    """The API's behaviour. Times are seconds since the start, shares are of the quota."""

    quota: int = 150
    window: float = 30.0
    others: float = 0.0
    """Share of the quota that other apps use, at random times of the window."""
    bursts: float = 0.0
    """Share that they use in one burst per window."""
    cut: tuple[float, float, float] | None = None
    """Start and end of a time in which the quota is reduced to a share."""
    storms: tuple[tuple[float, float], ...] = ()
    """Start and end of a storm, in which 19 of 20 requests are refused."""
    told: float = 1.0
    """Share of the answers with quota headers, and of the 429s with a Retry-After."""
    told_on_refusal: bool = True
    after: str = "seconds"
    """Form of Retry-After: `seconds`, `date`, `date without Date` or `nothing`."""
    skew: float = 0.0
    """Seconds by which the API's clock is ahead of ours."""
    latency: tuple[float, float] = (0.05, 0.3)
    by_chance: float = 0.0
    """Share of all requests that is refused at any pace."""

    def stormy(self, now: float) -> bool:
        """Return True during a storm and a moment after it."""
        return any(start <= now < end + 60.0 for start, end in self.storms)


@define(eq=False)
class Api:
    """The API. `used` counts the requests that it accepted outside storms, from us and from others."""

    faults_planned: FaultPlan
    chance: random.Random
    used: int = 0
    _since: float = float("-inf")
    _count: int = 0

    def quota(self, now: float) -> int:
        """Return the present quota of a window."""
        cut = self.faults_planned.cut
        return round(self.faults_planned.quota * (cut[2] if cut and cut[0] <= now < cut[1] else 1.0))

    def take(self) -> bool:
        """Count a request; return False if it is refused."""
        now = trio.current_time()
        if any(start <= now < end for start, end in self.faults_planned.storms) and self.chance.random() < 0.95:
            return False
        if self.chance.random() < self.faults_planned.by_chance:
            return False
        accepted = self.has_room(now)
        self.used += accepted and not self.faults_planned.stormy(now)
        return accepted

    def has_room(self, now: float) -> bool:
        """Count a request in its window; return False if the window is used up."""
        if now - self._since >= self.faults_planned.window:
            self._since, self._count = now, 0
        self._count += 1
        return self._count <= self.quota(now)

    def headers(self, *, accepted: bool) -> Mapping[str, str]:
        """Return the answer's headers, with lower-case names."""
        faults_planned, now = self.faults_planned, trio.current_time()
        left = max(0.0, self._since + faults_planned.window - now)
        date = {} if faults_planned.after == "date without Date" else {"date": self._date(now)}
        if self.chance.random() >= faults_planned.told or (not accepted and not faults_planned.told_on_refusal):
            return date
        quota = self.quota(now)
        told = date | {
            "x-rate-limit-requests-left": str(max(0, quota - self._count)),
            "x-rate-limit-requests-quota": str(quota),
            "x-rate-limit-time-reset-ms": str(int(left * 1000)),
            "x-rate-limit-time-window-ms": str(int(faults_planned.window * 1000)),
        }
        return told if accepted else told | self.again(left)

    def again(self, left: float) -> dict[str, str]:
        """Return the headers of a 429."""
        if self.faults_planned.after == "seconds":
            return {"retry-after": str(int(left) + 1)}
        if self.faults_planned.after.startswith("date"):
            return {"retry-after": self._date(trio.current_time() + left + 1)}
        return {}

    def _date(self, now: float) -> str:
        return formatdate(WALL + now + self.faults_planned.skew, usegmt=True)


@define(eq=False)
class Bucket(Api):
    """An API with an unpublished limit: a bucket of `saved` tokens at most, refilled evenly."""

    saved: float = 20.0
    _tokens: float = 20.0

    def has_room(self, now: float) -> bool:
        """Take a token; return False if there is none."""
        since = max(0.0, self._since)
        flow = self.quota(now) / self.faults_planned.window
        self._tokens = min(self.saved, self._tokens + (now - since) * flow)
        self._since = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def headers(self, *, accepted: bool) -> Mapping[str, str]:
        """Return the Retry-After header."""
        date = {} if self.faults_planned.after == "date without Date" else {"date": self._date(trio.current_time())}
        return date if accepted else date | self.again(0.0)


@define(eq=False)
class Outcome:
    """Counts of our own requests."""

    calls: int = 0
    refused: int = 0
    """Outside storms."""
    waits: dict[Lane, list[float]] = field(factory=lambda: {lane: [] for lane in Lane})
    """Seconds waited for turns, outside storms."""


@define(eq=False)
class Fire:
    """Runs a limiter before the API for `seconds`: backfill always has work, live requests come at random."""

    faults_planned: FaultPlan
    seed: int
    seconds: float = 600.0
    live_each: float = 3.0
    workers: int = 12
    policy: Callable[[random.Random], Policy] = lambda chance: WindowPolicy(jitter=chance.random)
    opened: Callable[[FaultPlan, random.Random], Api] = Api
    outcome: Outcome = field(factory=Outcome)
    api: Api = field(init=False)
    chance: random.Random = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Open the API."""
        print(f"seed {self.seed}, {self.faults_planned}")  # noqa: T201
        self.chance = random.Random(self.seed)
        self.api = self.opened(self.faults_planned, self.chance)

    async def burn(self) -> Outcome:
        """Run the load."""
        began = trio.current_time()
        limiter = Limiter(
            api="test", side=Side.PLATFORM, policy=self.policy(self.chance), wall=lambda: WALL + trio.current_time()
        )
        with trio.move_on_at(began + self.seconds):
            async with trio.open_nursery() as nursery:
                for _ in range(self.workers):
                    nursery.start_soon(self._backfill, limiter)
                nursery.start_soon(self._live, limiter, nursery)
                nursery.start_soon(self._others)
                nursery.start_soon(self._bursts)
        return self.outcome

    @property
    def refused(self) -> float:
        """Share of our calls that was refused outside storms."""
        return self.outcome.refused / self.outcome.calls

    @property
    def use(self) -> float:
        """Share of the quota that was used outside storms, by us and by others."""
        calm = [second for second in range(int(self.seconds)) if not self.faults_planned.stormy(second)]
        return self.api.used / sum(self.api.quota(second) / self.faults_planned.window for second in calm)

    @property
    def longest(self) -> float:
        """Return the longest wait of live outside storms, in seconds."""
        return max(self.outcome.waits[Lane.LIVE])

    async def call(self, limiter: Limiter, lane: Lane) -> None:
        """Make one call, which may be refused."""
        asked = trio.current_time()
        async with limiter.turn(lane) as turn:
            began = trio.current_time()
            there, back = (self.chance.uniform(*self.faults_planned.latency) / 2 for _ in range(2))
            await trio.sleep(there)
            accepted = self.api.take()
            headers = self.api.headers(accepted=accepted)
            await trio.sleep(back)
            turn.observe(200 if accepted else 429, headers)
        if not self.faults_planned.stormy(trio.current_time()):
            self.outcome.calls += 1
            self.outcome.refused += not accepted
            self.outcome.waits[lane].append(began - asked)

    async def _backfill(self, limiter: Limiter) -> None:
        while True:
            await self.call(limiter, Lane.BACKFILL)

    async def _live(self, limiter: Limiter, nursery: trio.Nursery) -> None:
        while True:
            await trio.sleep(self.chance.expovariate(1 / self.live_each))
            nursery.start_soon(self.call, limiter, Lane.LIVE)

    async def _others(self) -> None:
        if self.faults_planned.others:
            each = self.faults_planned.window / (self.faults_planned.quota * self.faults_planned.others)
            while True:
                await trio.sleep(self.chance.expovariate(1 / each))
                self.api.take()

    async def _bursts(self) -> None:
        while self.faults_planned.bursts:
            await trio.sleep(self.chance.uniform(0.5, 1.5) * self.faults_planned.window)
            for _ in range(round(self.faults_planned.quota * self.faults_planned.bursts)):
                self.api.take()
