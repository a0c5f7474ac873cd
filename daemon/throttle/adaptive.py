"""The policy for an API that publishes no limit, such as SparkLayer: it finds one out and stays just below.

Requests are paced at a rate. Until the first 429 the rate doubles as fast as answers confirm it, so that an API
without a limit is not held back. A 429 is a congestion event: the rate falls to 0.95 of what was recently
accepted, once, however many requests are refused with it. A probe that fails costs no more than its
last step. What was fallen to is remembered as the ceiling and held for 30 s (for 2 s after doubling, which tells
little more than the order of magnitude); then the next probe creeps above it until there is a 429.
The rate grows only while it holds requests back: else it proves nothing.

What was accepted is counted between two congestion events, pauses included, because a burst that the other side
had saved up then weighs little. Live needs no reserve here: being first, it waits for one interval at most.
"""

import math
import random
from collections.abc import Callable, Mapping

from daemon.model import Lane
from daemon.throttle.policy import Numbers, Pause

FIRST_RATE = 10.0
SLOWEST_RATE = 1.0
"""Below this the pauses after refusals do the throttling."""

FALL = 0.95
DEEPEST_FALL = 0.92
"""Of a rate that held for a while. The pause after an event is in the measure of the next, and weighs too much
where the other side saves nothing up meanwhile.
"""

HOLD_SECONDS = 30.0
ROUGH_HOLD_SECONDS = 2.0
DOUBLING_SECONDS = 0.05
CREEPING_SECONDS = 1.0
FIRST_CREEP = 0.05
FASTER = 1.5
"""A probe grows by 5 % in its first second and each second 1.5 times as much as before, until it doubles."""

SAVED_SECONDS = 0.05
SAVED_TURNS = 1.5
"""How much unused rate may be saved up: enough for a late wake-up, too little for a burst."""

EVENT_SECONDS = 1.0
"""Refusals within this time of an event belong to it; also the least time over which a rate is measured."""

NEARLY_ONE = 1.0 - 1e-6
"""Sleeping for (1 - saved) / rate may end a rounding error short of a whole turn."""


class Meter:
    """How fast requests were accepted lately.

    It counts since the last `restart`: an event, a probe, or each second in which the rate held nobody back, as
    quiet times tell nothing of a limit. The second before is kept, so that a rate is never read off an instant.
    """

    def __init__(self) -> None:
        self._started = 0.0
        self._accepted = 0
        self._before = (0.0, 0)

    def count(self) -> None:
        """Count an accepted request."""
        self._accepted += 1

    def restart(self, now: float) -> None:
        """Begin to count anew; a quiet time that was long is forgotten."""
        seconds = self.age(now)
        self._before = (seconds, self._accepted) if seconds <= 2 * EVENT_SECONDS else (0.0, 0)
        self._started = now
        self._accepted = 0

    def age(self, now: float) -> float:
        """Return the seconds since the last restart."""
        return now - self._started

    def rate(self, now: float) -> float:
        """Return accepted requests per second, over one second at least."""
        seconds, accepted = self.age(now), self._accepted
        if seconds < EVENT_SECONDS:
            seconds, accepted = seconds + self._before[0], accepted + self._before[1]
        return accepted / max(EVENT_SECONDS, seconds)


class AdaptivePolicy:
    """Finds the rate by itself; `rate` is the first guess, in requests per second."""

    def __init__(self, *, rate: float = FIRST_RATE, jitter: Callable[[], float] = random.random) -> None:
        self._rate = rate
        self._ceiling: float | None = None
        self._growth = 0.0
        self._hold = 0.0
        self._pause = Pause(jitter)
        self._meter = Meter()
        self._saved = SAVED_TURNS
        self._saved_at = -math.inf
        self._stepped = -math.inf
        self._event = -math.inf
        self._held_back = -math.inf

    def wait(self, now: float, lane: Lane, in_flight: int) -> float:
        """Return in how many seconds a request may go: 0 is now, infinity after the next answer."""
        del lane
        pause = self._pause.wait(now, in_flight)
        if not pause:
            self._save(now)
            if self._saved >= NEARLY_ONE:
                return 0.0
            pause = (1.0 - self._saved) / self._rate
        self._held_back = now
        return pause

    def granted(self, now: float) -> None:
        """Count a request that goes now."""
        self._saved -= 1.0
        if now - self._held_back > EVENT_SECONDS < self._meter.age(now):
            self._meter.restart(now)

    def accepted(self, now: float, began: float, headers: Mapping[str, str]) -> None:
        """Grow, if this request began at the present rate, and that rate was felt."""
        del headers
        self._pause.accepted(began)
        self._meter.count()
        if began >= self._stepped < self._held_back:
            self._grow(now)

    def refused(self, now: float, began: float, headers: Mapping[str, str], after: float | None) -> None:
        """Pause, and fall unless this refusal belongs to the last event."""
        del headers
        if began >= self._event and now - self._event >= EVENT_SECONDS:
            self._fall(now)
        self._pause.refused(now, began, after)

    def lost(self, now: float, began: float) -> None:
        """Learn nothing: a failing network is the breaker's business."""

    def numbers(self, now: float) -> Numbers:
        """Return what is known."""
        del now
        return Numbers(rate=self._rate, ceiling=self._ceiling)

    def _save(self, now: float) -> None:
        most = max(SAVED_TURNS, self._rate * SAVED_SECONDS)
        if self._saved < most:
            self._saved = min(most, self._saved + (now - self._saved_at) * self._rate)
        self._saved_at = now

    def _grow(self, now: float) -> None:
        if self._ceiling is None:
            if now - self._stepped >= DOUBLING_SECONDS:
                self._step(now, 1.0)
        elif now - self._event >= self._hold and now - self._stepped >= CREEPING_SECONDS:
            if not self._growth:
                self._meter.restart(now)
            self._step(now, min(1.0, self._growth * FASTER or FIRST_CREEP))

    def _step(self, now: float, growth: float) -> None:
        self._save(now)
        self._rate *= 1.0 + growth
        self._growth = growth
        self._stepped = now

    def _fall(self, now: float) -> None:
        found = FALL * self._meter.rate(now)
        if self._ceiling is not None:
            found = max(found, self._rate / (1.0 + self._growth) if self._growth else self._rate * DEEPEST_FALL)
        if not found:
            return  # Refused before anything was accepted: others used the API up, which says nothing of a ceiling.
        self._hold = ROUGH_HOLD_SECONDS if self._ceiling is None else HOLD_SECONDS
        self._rate = self._ceiling = max(SLOWEST_RATE, min(found, self._rate))
        self._growth = 0.0
        self._saved, self._saved_at = 0.0, now
        self._event = self._stepped = now
        self._meter.restart(now)
