"""Estimates how much of a shared quota other clients use, from the quota left in each answer.

Usage that is not ours is theirs. Requests in flight count as ours and as used, so the estimate may be too low by their
number. A window's pace is also used in the next window, which may have just begun. Pure: it receives the time.
"""

import math

MOST = 0.1
"""Largest share of the quota that is left to others."""

SLOWER = 0.9
"""Factor by which each answer reduces the remembered round trip."""

SHORTEST = 1.0
"""Least seconds over which a pace is measured: the first moments of a window do not predict the rest."""


class Sharing:
    """Counts one window after the other; `ours` is the number of our own requests in the current one."""

    def __init__(self) -> None:
        self.ours = 0
        self._began = -math.inf
        self._before = 0
        self._theirs = 0
        self._pace_before = 0.0
        self._trip = 0.0
        self._told = -math.inf

    def begin(self, now: float, used: int, in_flight: int = 0) -> None:
        """Begin a window of which `used` requests were used when it was first seen; those in flight may count in it."""
        self._pace_before = self._pace(now)
        self._began, self._before, self._theirs, self.ours = now, used, 0, in_flight

    def learn(self, now: float, began: float, used: int) -> None:
        """Learn from an answer that we and others have used `used` requests."""
        # The longest recent trip counts: others can use the quota for as long as an answer travels.
        self._trip = max(now - began, self._trip * SLOWER)
        self._told = now
        # Answers overtake each other, so a smaller number is older.
        self._theirs = max(self._theirs, used - self._before - self.ours)

    def margin(self, now: float, quota: int) -> int:
        """Return the requests that others may send between the last answer and the next one.

        0 if no other client uses the quota.
        """
        expected = max(self._pace(now), self._pace_before) * (now - max(self._told, self._began) + self._trip)
        most = min(quota - 1, math.ceil(quota * MOST))
        # Two standard deviations above the expected number, taking their requests as random arrivals.
        return min(most, math.ceil(expected + 2 * math.sqrt(expected)))

    def _pace(self, now: float) -> float:
        return self._theirs / max(SHORTEST, now - self._began)
