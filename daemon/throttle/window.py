"""The policy for an API that tells how many requests are left in a window (bigcommerce.md section 10).

`X-Rate-Limit-Requests-Left`, `-Quota`, `-Time-Reset-Ms` and `-Time-Window-Ms` come with answers; any of them may
be missing. The quota is shared by all apps of the store, so what is left may fall without us, and requests in
flight may not be counted in it yet: they are taken off. Backfill leaves a share of each window to live.

A 429 closes the gate for both lanes, for the longest time that any of its headers asks for. A 429 without them
means that the platform is overloaded: the pause then grows on its own. While nothing is known, all may go.
"""

import math
import random
from collections.abc import Callable, Mapping

from daemon.model import Lane
from daemon.retry_after import as_seconds
from daemon.throttle.policy import Numbers, Pause

LEFT = "x-rate-limit-requests-left"
QUOTA = "x-rate-limit-requests-quota"
RESET = "x-rate-limit-time-reset-ms"
WINDOW = "x-rate-limit-time-window-ms"
ASKED = "x-retry-after"

USUAL_WINDOW = 30.0


class WindowPolicy:
    """Learns from the headers; `reserve` is the share of the quota that backfill leaves alone."""

    def __init__(self, *, reserve: float = 0.1, jitter: Callable[[], float] = random.random) -> None:
        self._reserve = reserve
        self._pause = Pause(jitter)
        self._quota: int | None = None
        self._left: int | None = None
        self._window = USUAL_WINDOW
        self._ends = math.inf
        self._started = -math.inf
        self._guessed = False

    def wait(self, now: float, lane: Lane, in_flight: int) -> float:
        """Return in how many seconds a request of `lane` may go: 0 is now, infinity after the next answer."""
        pause = self._pause.wait(now, in_flight)
        if pause:
            return pause
        if now >= self._ends:
            self._begin_window(now)
        if self._left is None or self._left - in_flight > self._kept_from(lane):
            return 0.0
        return self._ends - now

    def granted(self, now: float) -> None:
        """Count nothing: what is in flight is known, and the answer tells the rest."""

    def accepted(self, now: float, began: float, headers: Mapping[str, str]) -> None:
        """Learn from an answer other than 429."""
        self._pause.accepted(began)
        self._learn(now, began, headers)

    def refused(self, now: float, began: float, headers: Mapping[str, str], after: float | None) -> None:
        """Close the gate for the longest time asked for."""
        asked = [after, as_seconds(headers.get(ASKED, "")), _milliseconds(headers, RESET)]
        waits = [seconds for seconds in asked if seconds is not None]
        self._pause.refused(now, began, max(waits, default=None))
        self._learn(now, began, headers)

    def lost(self, now: float, began: float) -> None:
        """Assume that a request without an answer was counted."""
        del now, began
        self._spend()

    def numbers(self, now: float) -> Numbers:
        """Return what is known."""
        del now
        return Numbers(remaining=self._left, quota=self._quota)

    def _kept_from(self, lane: Lane) -> int:
        """How much of the quota `lane` leaves alone; never all of it."""
        if lane is Lane.LIVE or self._quota is None:
            return 0
        return min(self._quota - 1, math.ceil(self._quota * self._reserve))

    def _learn(self, now: float, began: float, headers: Mapping[str, str]) -> None:
        self._window = _milliseconds(headers, WINDOW) or self._window
        left, reset = as_seconds(headers.get(LEFT, "")), _milliseconds(headers, RESET)
        if left is None or began < self._started:
            # Without numbers, or with those of a window that is over, only this is sure: it cost one.
            self._spend()
            return
        quota = as_seconds(headers.get(QUOTA, ""))
        self._quota = self._quota if quota is None else int(quota)
        ends = now + (self._window if reset is None else reset)
        if self._left is None:
            self._ends, self._left = ends, int(left)
        elif self._guessed:
            self._ends, self._left = ends, min(self._left, int(left))
        elif ends > self._ends + self._window / 2:
            self._started, self._ends, self._left = now, ends, int(left)
        else:
            # Answers overtake each other: within a window the least left is the newest, and the earliest end,
            # the one that travelled fastest, is the truest.
            self._ends, self._left = min(self._ends, ends), min(self._left, int(left))
        self._guessed = False

    def _begin_window(self, now: float) -> None:
        """Hope for a whole quota; the first answer corrects that, and the window's end too.

        The platform's window begins with the first request that reaches it, thus later than here.
        """
        self._guessed = True
        self._started, self._ends, self._left = now, now + self._window, self._quota or None

    def _spend(self) -> None:
        if self._left is not None:
            self._left = max(0, self._left - 1)


def _milliseconds(headers: Mapping[str, str], name: str) -> float | None:
    number = as_seconds(headers.get(name, ""))
    return None if number is None else number / 1000
