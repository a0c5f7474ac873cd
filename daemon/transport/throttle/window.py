"""The policy for an API that tells how many requests are left in a window (bigcommerce.md section 10).

`X-Rate-Limit-Requests-Left`, `-Quota`, `-Time-Reset-Ms` and `-Time-Window-Ms` come with answers; any of them may
be missing. The quota is shared by all apps of the store, so what is left may fall without us, and requests in
flight may not be counted in it yet: they are taken off. As much as others lately took during a request is left
alone, and while others are about, what is left at the bottom is asked for by one request at a time. Backfill leaves
a share of the time that the window still has to live: at its end nothing need be left over.

A 429 whose quota headers say that nothing is left closes the gate for both lanes, for the longest time that any of its
headers asks for. One without them holds back its own request only, until they are crowded (`refusals`): then the window
is used up, where little was left, and else the platform is overloaded: the pause then grows on its own. While nothing
is known, all may go; if nothing is ever told, crowded 429s say that the quota is what was accepted since the window
began, and each window that passes without them, that it may be a little more.
"""

import math
import random
from collections.abc import Callable, Mapping

from daemon.model import Lane
from daemon.transport.retry_after import LONGEST_WAIT, as_seconds
from daemon.transport.throttle.policy import Numbers, Pause
from daemon.transport.throttle.refusals import Refusals
from daemon.transport.throttle.sharing import Sharing

LEFT = "x-rate-limit-requests-left"
QUOTA = "x-rate-limit-requests-quota"
RESET = "x-rate-limit-time-reset-ms"
WINDOW = "x-rate-limit-time-window-ms"
ASKED = "x-retry-after"

USUAL_WINDOW = 30.0

LITTLE = 0.25
"""The share of the quota below which a 429 that tells nothing means that there is none left."""

BOTTOM = 0.1
"""The share of the quota that is asked for one by one while others are about."""

A_LITTLE_MORE = 0.02


class WindowPolicy:
    """Learns from the headers; `reserve` is the share of the quota that backfill leaves alone."""

    def __init__(self, *, reserve: float = 0.1, jitter: Callable[[], float] = random.random) -> None:
        self._reserve = reserve
        self._pause = Pause(jitter)
        self._refusals = Refusals()
        self._sharing = Sharing()
        self._quota: int | None = None
        self._left: int | None = None
        self._window = USUAL_WINDOW
        self._ends = math.inf
        self._started = -math.inf
        self._guessed = False
        self._told = False
        """True once an answer has told the rest of the quota."""
        self._accepted = 0
        """In this window; while nothing is told, it begins with the first of them."""
        self._overrun = False
        """True if this window had a 429."""

    def wait(self, now: float, lane: Lane, in_flight: int) -> float:
        """Return in how many seconds a request of `lane` may go: 0 is now, infinity after the next answer."""
        pause = self._pause.wait(now, in_flight)
        if pause:
            return pause
        if now >= self._ends:
            self._begin_window(now, in_flight)
        if self._left is None:
            return 0.0
        free = self._left - in_flight - 1
        others = self._others(now)
        if free < others:
            return self._ends - now
        if others and in_flight and free < others + self._share(BOTTOM):
            return math.inf
        return 0.0 if lane is Lane.LIVE else self._wait_for_reserve(now, free)

    def granted(self, now: float) -> None:
        """Count nothing that is left: what is in flight is known, and the answer tells the rest."""
        del now
        self._sharing.ours += 1

    def accepted(self, now: float, began: float, headers: Mapping[str, str]) -> None:
        """Learn from an answer other than 429."""
        self._pause.accepted(began)
        self._refusals.count(refused=False)
        self._learn(now, began, headers)
        if began >= self._started:
            self._accepted += 1
            if not self._told and self._accepted == 1:
                self._ends = now + self._window

    def refused(self, now: float, began: float, headers: Mapping[str, str], after: float | None) -> None:
        """Close the gate for the longest time asked for, if this refusal concerns more than its own request."""
        self._refusals.count(refused=True)
        self._learn(now, began, headers)
        crowded = self._refusals.crowded
        if not (crowded or _used_up(headers) or self._pause.begun):
            return
        asked = [after, _milliseconds(headers, RESET)]
        waits = [min(seconds, LONGEST_WAIT) for seconds in asked if seconds is not None]
        self._pause.refused(now, began, max(waits, default=None))
        self._refusals.restart()
        if crowded and LEFT not in headers and began >= self._started:
            self._use_up()
        self._overrun = True

    def lost(self, now: float, began: float) -> None:
        """Assume that a request without an answer was counted."""
        del now, began
        self._spend()

    def numbers(self, now: float) -> Numbers:
        """Return what is known."""
        return Numbers(remaining=self._left, quota=self._quota, pause=self._pause.left(now))

    def _wait_for_reserve(self, now: float, free: int) -> float:
        """Return when backfill may go: it keeps as much from what is free as live may ask for until the window ends."""
        kept = self._share(self._reserve)
        rest = self._ends - now
        return max(0.0, rest - free * self._window / kept) if kept else 0.0

    def _share(self, share: float) -> int:
        """Return a share of the quota; never all of it."""
        return 0 if self._quota is None else min(self._quota - 1, math.ceil(self._quota * share))

    def _others(self, now: float) -> int:
        """Return how much is left alone for others to take while a request is under way."""
        return 0 if self._quota is None or not self._told else self._sharing.margin(now, self._quota)

    def _learn(self, now: float, began: float, headers: Mapping[str, str]) -> None:
        self._window = min(_milliseconds(headers, WINDOW) or self._window, LONGEST_WAIT)
        left, reset = as_seconds(headers.get(LEFT, "")), _milliseconds(headers, RESET)
        if left is None or began < self._started:
            # Without numbers, or with those of a window that is over, only this is sure: it cost one.
            self._spend()
            return
        quota = as_seconds(headers.get(QUOTA, ""))
        self._quota = self._quota if quota is None else max(1, int(quota))
        used = 0 if self._quota is None else self._quota - int(left)
        ends = now + min(self._window if reset is None else reset, LONGEST_WAIT)
        if not int(left) and reset is not None and reset > LONGEST_WAIT:
            self._pause.hold(now, LONGEST_WAIT)  # a time where a duration is documented: one request tries after it
        if self._left is None or not self._told:
            self._ends, self._left = ends, int(left)
            self._sharing.begin(now, used)
        elif self._guessed:
            self._ends, self._left = ends, min(self._left, int(left))
        elif ends > self._ends + self._window / 2:
            self._started, self._ends, self._left = now, ends, int(left)
            self._sharing.begin(now, used)
        else:
            # Answers overtake each other: within a window the least left is the newest, and the earliest end,
            # the one that travelled fastest, is the truest.
            self._ends, self._left = min(self._ends, ends), min(self._left, int(left))
        self._sharing.learn(now, began, used)
        self._guessed, self._told = False, True

    def _begin_window(self, now: float, in_flight: int) -> None:
        """Hope for a whole quota; the first answer corrects that, and the window's end too.

        The platform's window begins with the first request that reaches it, thus later than here.
        """
        if not (self._told or self._overrun or self._left) and self._quota is not None:
            self._quota += math.ceil(self._quota * A_LITTLE_MORE)
        self._guessed = True
        self._started, self._ends, self._left = now, now + self._window, self._quota or None
        self._sharing.begin(now, 0, in_flight)
        self._accepted, self._overrun = 0, False

    def _use_up(self) -> None:
        """Take it from a 429 without numbers that the window is used up, unless much was left."""
        if not self._told:
            if self._accepted:
                self._quota, self._left = self._accepted, 0
        elif self._left is not None and self._left <= self._share(LITTLE):
            self._left = 0

    def _spend(self) -> None:
        if self._left is not None:
            self._left = max(0, self._left - 1)


def _used_up(headers: Mapping[str, str]) -> bool:
    """Return whether the quota's own headers say that nothing is left of it."""
    left = as_seconds(headers.get(LEFT, ""))
    return left == 0 if left is not None else ASKED in headers or RESET in headers


def _milliseconds(headers: Mapping[str, str], name: str) -> float | None:
    number = as_seconds(headers.get(name, ""))
    return None if number is None else number / 1000
