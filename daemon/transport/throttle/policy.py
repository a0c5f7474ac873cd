"""The protocol of a rate policy, and the pause that all policies share.

A policy is pure in the sense that counts: it is told the time and never asks for it, it waits for nothing, and
equal histories give equal decisions. Times are seconds of any clock that does not run backwards.
`began` is when the turn of a request was granted, so answers that come late can be told from fresh ones.
"""

import math
import random
from collections.abc import Callable, Mapping
from typing import Protocol

from attrs import frozen

from daemon.model import Lane
from daemon.transport.backoff import backoff

PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 60.0


@frozen(kw_only=True)
class Numbers:
    """The numbers of a policy, for people: requests per second, or requests of a window. None: unknown."""

    rate: float | None = None
    ceiling: float | None = None
    remaining: int | None = None
    quota: int | None = None
    pause: float | None = None
    """Seconds for which the API as a whole is still left alone because it refused."""


class Policy(Protocol):
    """Decides when the next request may go."""

    def wait(self, now: float, lane: Lane, in_flight: int) -> float:
        """Return in how many seconds a request of `lane` may go: 0 is now, infinity after the next answer."""
        ...

    def granted(self, now: float) -> None:
        """Count a request that goes now."""
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
        """Return what is known."""
        ...


class Pause:
    """The silence after a 429: as long as was asked for, then one request goes alone.

    It is never shorter than a pause of our own, which grows with jitter as long as pausing does not help.
    Several requests refused at once lengthen the pause but do not make it grow: only a request that began after
    the last refusal tells something new.
    """

    def __init__(self, jitter: Callable[[], float] = random.random) -> None:
        self._jitter = jitter
        self._until = -math.inf
        self._since = -math.inf
        self._refusals = 0

    @property
    def begun(self) -> bool:
        """True until a request is accepted."""
        return self._refusals > 0

    def left(self, now: float) -> float | None:
        """Return the seconds left, None when there is none."""
        return max(0.0, self._until - now) if self._refusals else None

    def wait(self, now: float, in_flight: int) -> float:
        """Return the seconds left, infinity while the request that goes alone is under way."""
        if not self._refusals:
            return 0.0
        if now < self._until:
            return self._until - now
        return math.inf if in_flight else 0.0

    def accepted(self, began: float) -> None:
        """End it, if the request began after the last refusal."""
        if self._refusals and began >= self._since:
            self._refusals = 0

    def refused(self, now: float, began: float, after: float | None) -> None:
        """Begin it, or make it longer."""
        if self._refusals == 0 or began >= self._until:
            self._refusals += 1
        half_to_whole = 0.5 + 0.5 * self._jitter()
        ours = backoff(self._refusals, half_to_whole, first=PAUSE_SECONDS, longest=LONGEST_PAUSE_SECONDS)
        self.hold(now, max(ours, after or 0.0))

    def hold(self, now: float, seconds: float) -> None:
        """Begin it, or make it longer, by as much as was asked for."""
        self._refusals = max(1, self._refusals)
        self._since = now
        self._until = max(self._until, now + seconds)
