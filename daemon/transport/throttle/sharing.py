"""How much of a shared quota others take, as far as it can be told from what is left of it.

What was used and was not ours was theirs. Requests in flight are taken to be ours and used, so the count errs on the
low side by them. The pace of a window is kept through the next one, which may have just begun. Pure: it is told the
time.
"""

import math

MOST = 0.1
"""The share of the quota that is left alone at most."""

SLOWER = 0.9
"""How fast a long round trip is forgotten, with each answer."""

SHORTEST = 1.0
"""Seconds over which a pace is read at least: a window that has just begun tells nothing of how it goes on."""


class Sharing:
    """Counts one window after the other; `ours` counts the requests that we have sent in it."""

    def __init__(self) -> None:
        self.ours = 0
        self._began = -math.inf
        self._before = 0
        self._theirs = 0
        self._pace_before = 0.0
        self._trip = 0.0
        self._told = -math.inf

    def begin(self, now: float, used: int, in_flight: int = 0) -> None:
        """Begin a window, of which `used` was used when we saw it first; what is in flight may count in it."""
        self._pace_before = self._pace(now)
        self._began, self._before, self._theirs, self.ours = now, used, 0, in_flight

    def learn(self, now: float, began: float, used: int) -> None:
        """Learn from an answer that `used` is used, by whomever."""
        self._trip = max(now - began, self._trip * SLOWER)
        self._told = now
        self._theirs = max(self._theirs, used - self._before - self.ours)

    def margin(self, now: float, quota: int) -> int:
        """Return how many requests others may well have made since the last answer, and make until the next one.

        0 when nobody else is about.
        """
        expected = max(self._pace(now), self._pace_before) * (now - max(self._told, self._began) + self._trip)
        most = min(quota - 1, math.ceil(quota * MOST))
        return min(most, math.ceil(expected + 2 * math.sqrt(expected)))

    def _pace(self, now: float) -> float:
        return self._theirs / max(SHORTEST, now - self._began)
