"""The policy for an API that tells how many requests are left in a window (bigcommerce.md section 10).

Answers carry `X-Rate-Limit-Requests-Left`, `-Quota`, `-Time-Reset-Ms` and `-Time-Window-Ms`; any may be missing. All
apps of the store share the quota. So requests in flight are subtracted, and so is the number of requests that others
may send meanwhile (`Sharing`). Near the end of the quota requests go one at a time if others use it too. Backfill
leaves a reserve to live, which shrinks to nothing towards the end of the window.

A 429 with an exhausted quota pauses both lanes for the longest time in its headers. A 429 without quota headers delays
its own request only, until such 429s are crowded (`policy`). If little was left, the window then counts as used up;
otherwise the platform is overloaded, and the pause grows. While nothing is known, all requests may go. If no answer
ever has quota headers, crowded 429s show the quota: the requests accepted in the window so far. Each window without
them raises it a little.
"""

import math
import random
from collections.abc import Callable, Mapping

from daemon.model import Lane
from daemon.transport.retry_after import LONGEST_WAIT, as_seconds
from daemon.transport.throttle.policy import LONGEST_PAUSE_SECONDS, Numbers, RatePause

LEFT = "x-rate-limit-requests-left"
QUOTA = "x-rate-limit-requests-quota"
RESET = "x-rate-limit-time-reset-ms"
WINDOW = "x-rate-limit-time-window-ms"
ASKED = "x-retry-after"

MOST_FOR_OTHERS = 0.1
"""Largest share of the quota that is left to others."""

SLOWER = 0.9
"""Factor by which each answer reduces the remembered round trip."""

SHORTEST = 1.0
"""Least seconds over which a pace is measured: the first moments of a window do not predict the rest."""

USUAL_WINDOW = 30.0

LITTLE = 0.25
"""Share of the quota below which a 429 without headers means that none is left."""

BOTTOM = 0.1
"""Last share of the quota, in which requests go one at a time while others use it too."""

A_LITTLE_MORE = 0.02
"""Share by which a guessed quota grows after a window without a 429."""


class Sharing:
    """Estimates how much of a shared quota others use, one window after the other, from the quota left in each answer.

    Usage that is not ours is theirs; `ours` is the number of our own requests in the current window. Requests in flight
    count as ours and as used, so the estimate may be too low by their number. A window's pace is also used in the next
    window, which may have just begun.
    """

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
        most = min(quota - 1, math.ceil(quota * MOST_FOR_OTHERS))
        # Two standard deviations above the expected number, taking their requests as random arrivals.
        return min(most, math.ceil(expected + 2 * math.sqrt(expected)))

    def _pace(self, now: float) -> float:
        return self._theirs / max(SHORTEST, now - self._began)


class WindowPolicy:
    """Learns the quota from headers; `reserve` is the share of the quota that backfill leaves to live."""

    def __init__(self, *, reserve: float = 0.1, jitter: Callable[[], float] = random.random) -> None:
        self._reserve = reserve
        self._pause = RatePause(jitter)
        self._sharing = Sharing()
        self._quota: int | None = None
        self._left: int | None = None
        self._window = USUAL_WINDOW
        self._ends = math.inf
        self._far = False
        """True if the end is more than a minute later than the time at which we learned it: see `_end_at`."""
        self._started = -math.inf
        self._guessed = False
        self._told = False
        """True once any answer has told the requests left."""
        self._accepted = 0
        """Requests accepted in this window; without headers the window begins with the first of them."""
        self._overrun = False
        """True if this window had a 429."""

    def wait(self, now: float, lane: Lane, in_flight: int) -> float:
        """Return the seconds until a request of `lane` may go: 0 is now, infinity is after the next answer."""
        pause = self._pause.wait(now, in_flight)
        if pause:
            return pause
        if now >= self._ends:
            far = self._far
            self._begin_window(now, in_flight)
            if far:
                self._pause.hold(now, 0.0)
                if in_flight:
                    return math.inf
        if self._left is None:
            return 0.0
        # The last answer may not count the requests in flight yet.
        free = self._left - in_flight - 1
        others = self._others(now)
        if free < others:
            return self._ends - now
        # Others may use up the rest at any moment: each answer must show what is left before the next request.
        if others and in_flight and free < others + self._share(BOTTOM):
            return math.inf
        return 0.0 if lane is Lane.LIVE else self._wait_for_reserve(now, free)

    def granted(self, now: float) -> None:
        """Count our own request; `wait` subtracts it from the requests left as long as it is in flight."""
        del now
        self._sharing.ours += 1

    def accepted(self, now: float, began: float, headers: Mapping[str, str]) -> None:
        """Learn from an answer other than 429."""
        self._pause.accepted(began)
        self._learn(now, began, headers)
        if began >= self._started:
            self._accepted += 1
            if not self._told and self._accepted == 1:
                self._end_at(now, now + self._window)

    def refused(self, now: float, began: float, headers: Mapping[str, str], after: float | None) -> None:
        """Pause both lanes for the longest time asked for, if this 429 concerns more than its own request."""
        self._pause.count_refusal()
        self._learn(now, began, headers)
        crowded = self._pause.crowded
        if not (crowded or _used_up(headers) or self._pause.begun):
            return
        asked = [after, _milliseconds(headers, RESET)]
        waits = [min(seconds, LONGEST_WAIT) for seconds in asked if seconds is not None]
        self._pause.refused(now, began, max(waits, default=None))
        if crowded and LEFT not in headers and began >= self._started:
            self._use_up()
        self._overrun = True

    def lost(self, now: float, began: float) -> None:
        """Assume that the platform counted a request without an answer."""
        del now, began
        self._spend()

    def numbers(self, now: float) -> Numbers:
        """Return the requests left, the quota, and the rest of a pause, or of a long wait for the window's end."""
        pause = self._pause.left(now)
        if self._far and self._left is not None and now < self._ends:
            free = self._left - 1
            held = self._ends - now if free < self._others(now) else self._wait_for_reserve(now, free)
            pause = max(pause or 0.0, held) if held else pause
        return Numbers(remaining=self._left, quota=self._quota, pause=pause)

    def _wait_for_reserve(self, now: float, free: int) -> float:
        """Return the seconds until backfill may go: it leaves what live may need until the window ends."""
        kept = self._share(self._reserve)
        rest = self._ends - now
        return max(0.0, rest - free * self._window / kept) if kept else 0.0

    def _share(self, share: float) -> int:
        """Return a share of the quota in requests, never all of it."""
        return 0 if self._quota is None else min(self._quota - 1, math.ceil(self._quota * share))

    def _others(self, now: float) -> int:
        """Return the number of requests to leave to others while one of ours is under way."""
        return 0 if self._quota is None or not self._told else self._sharing.margin(now, self._quota)

    def _learn(self, now: float, began: float, headers: Mapping[str, str]) -> None:
        self._window = min(_milliseconds(headers, WINDOW) or self._window, LONGEST_WAIT)
        left, reset = as_seconds(headers.get(LEFT, "")), _milliseconds(headers, RESET)
        if left is None or began < self._started:
            # Without numbers, or with those of an earlier window, it is only certain that the request cost one.
            self._spend()
            return
        quota = as_seconds(headers.get(QUOTA, ""))
        self._quota = self._quota if quota is None else max(1, int(quota))
        used = 0 if self._quota is None else self._quota - int(left)
        ends = now + min(self._window if reset is None else reset, LONGEST_WAIT)
        if self._left is None or not self._told:
            self._end_at(now, ends)
            self._left = int(left)
            self._sharing.begin(now, used)
        elif self._guessed:
            # We began this window by our own clock: the first answer corrects its end.
            self._end_at(now, ends)
            self._left = min(self._left, int(left))
        elif ends > self._ends + self._window / 2:
            # An end this much later belongs to a new window; smaller differences are travel time.
            self._end_at(now, ends)
            self._started, self._left = now, int(left)
            self._sharing.begin(now, used)
        else:
            # Answers overtake each other: within a window the smallest number left is the newest. The earliest end
            # comes from the answer that travelled fastest, so it is the most exact.
            if ends < self._ends:
                self._end_at(now, ends)
            self._left = min(self._left, int(left))
        self._sharing.learn(now, began, used)
        self._guessed, self._told = False, True

    def _end_at(self, now: float, ends: float) -> None:
        """Set the end of the window.

        An end more than a minute ahead is hardly the platform's: it documents windows of 30 s, and a point in time may
        be sent for a duration. So the wait for it is shown, and afterwards one request tries alone.
        """
        self._ends, self._far = ends, ends - now > LONGEST_PAUSE_SECONDS

    def _begin_window(self, now: float, in_flight: int) -> None:
        """Assume a full quota; the first answer corrects it and the window's end.

        The platform's window begins later than ours, with the first request that reaches it.
        """
        if not (self._told or self._overrun or self._left) and self._quota is not None:
            self._quota += math.ceil(self._quota * A_LITTLE_MORE)
        self._guessed = True
        self._end_at(now, now + self._window)
        self._started, self._left = now, self._quota or None
        self._sharing.begin(now, 0, in_flight)
        self._accepted, self._overrun = 0, False

    def _use_up(self) -> None:
        """Treat the window as used up after crowded 429s without numbers, unless much was left."""
        if not self._told:
            if self._accepted:
                self._quota, self._left = self._accepted, 0
        elif self._left is not None and self._left <= self._share(LITTLE):
            self._left = 0

    def _spend(self) -> None:
        if self._left is not None:
            self._left = max(0, self._left - 1)


def _used_up(headers: Mapping[str, str]) -> bool:
    """Return True if the quota headers say that no request is left."""
    left = as_seconds(headers.get(LEFT, ""))
    return left == 0 if left is not None else ASKED in headers or RESET in headers


def _milliseconds(headers: Mapping[str, str], name: str) -> float | None:
    number = as_seconds(headers.get(name, ""))
    return None if number is None else number / 1000
