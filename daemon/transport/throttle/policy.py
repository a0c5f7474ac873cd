"""The interface of a rate policy, and the pause that all policies share.

A single 429 without quota headers proves little, since a gateway may refuse at random. Two among the last 20 answers,
four among the last 200 or twelve among the last 600 are crowded.

A policy receives the time and never reads a clock. It never waits, and equal histories give equal decisions. Times are
seconds of a monotonic clock. `began` is the time when a request's turn was granted, so that a policy can tell late
answers from fresh ones.
"""

import math
import random
from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

from attrs import frozen

from daemon.model import Lane
from daemon.transport.backoff import backoff

CROWDED = {20: 2, 200: 4, 600: 12}
"""Last answers looked at, and the 429s among them from which on all requests pause."""

PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 60.0


@frozen(kw_only=True)
class Numbers:
    """A policy's state for metrics: requests per second, or requests in a window. None is unknown."""

    rate: float | None = None
    ceiling: float | None = None
    remaining: int | None = None
    quota: int | None = None
    pause: float | None = None
    """Seconds left of the pause after 429s, or of a long wait that headers ask for; None without one."""


class Policy(Protocol):
    """Decides when the next request may be sent."""

    def wait(self, now: float, lane: Lane, in_flight: int) -> float:
        """Return the seconds until a request of `lane` may go: 0 is now, infinity is after the next answer."""
        ...

    def granted(self, now: float) -> None:
        """Count a request that is sent now."""
        ...

    def accepted(self, now: float, began: float, headers: Mapping[str, str]) -> None:
        """Learn from an answer other than 429; `headers` has lower-case names."""
        ...

    def refused(self, now: float, began: float, headers: Mapping[str, str], after: float | None) -> None:
        """Learn from a 429; `after` is its Retry-After in seconds."""
        ...

    def lost(self, now: float, began: float) -> None:
        """Learn that a request got no answer."""
        ...

    def numbers(self, now: float) -> Numbers:
        """Return the numbers known now."""
        ...


class RatePause:
    """The pause after a 429: for the time that the API asks, then one request goes alone.

    A minimum applies, which grows with jitter while pausing does not help. Several requests refused at once lengthen
    the pause but do not raise the minimum: only a request that began after the pause shows that pausing did not help.

    `crowded` is for policies that let single 429s pass: they call `count_refusal`, and `refused` for a pause of all.
    """

    def __init__(self, jitter: Callable[[], float] = random.random) -> None:
        self._jitter = jitter
        self._until = -math.inf
        self._since = -math.inf
        self._refusals = 0
        self._last = deque[bool](maxlen=max(CROWDED))
        """The last answers since the pause before: True for a 429. Only the order of answers counts, no time."""

    @property
    def crowded(self) -> bool:
        """True if the last answers have so many 429s that all requests should pause."""
        last = list(self._last)
        return any(sum(last[-answers:]) >= most for answers, most in CROWDED.items())

    @property
    def begun(self) -> bool:
        """True from a 429 until a request that began after it is accepted."""
        return self._refusals > 0

    def left(self, now: float) -> float | None:
        """Return the seconds left, or None without a pause."""
        return max(0.0, self._until - now) if self._refusals else None

    def wait(self, now: float, in_flight: int) -> float:
        """Return the seconds left; infinity while the request that goes alone is under way."""
        if not self._refusals:
            return 0.0
        if now < self._until:
            return self._until - now
        # One request shows if the API has recovered; more would only collect 429s.
        return math.inf if in_flight else 0.0

    def accepted(self, began: float) -> None:
        """Count an answer; end the pause if the request began after the last 429."""
        self._last.append(False)
        if self._refusals and began >= self._since:
            self._refusals = 0

    def count_refusal(self) -> None:
        """Count a 429."""
        self._last.append(True)

    def refused(self, now: float, began: float, after: float | None) -> None:
        """Begin or lengthen the pause; `after` is the time asked for, in seconds."""
        # The pause answers these 429s; counted again, they would make the next single one crowded.
        self._last.clear()
        if self._refusals == 0 or began >= self._until:
            self._refusals += 1
        # At least half: full jitter could make the pause next to nothing.
        half_to_whole = 0.5 + 0.5 * self._jitter()
        ours = backoff(self._refusals, half_to_whole, first=PAUSE_SECONDS, longest=LONGEST_PAUSE_SECONDS)
        self.hold(now, max(ours, after or 0.0))

    def hold(self, now: float, seconds: float) -> None:
        """Pause for at least `seconds` from now."""
        self._refusals = max(1, self._refusals)
        self._since = now
        self._until = max(self._until, now + seconds)
