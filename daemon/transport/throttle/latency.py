"""The policy for a server that says nothing about its limits, such as a merchant's own shop.

Such a server has a few workers. Beyond them, more requests at once only make each of them slower. So the policy learns
how many requests to send at once, from 1 to 4, by their latency. One slot is always kept for live: backfill uses one
to three slots, and a live request may use one more. So it never waits for a page of backfill.

After a few answers at full use, backfill tries one more slot. It keeps the slot if clearly more answers come per
second, by Little's law: requests at once divided by their latency. It tries one fewer in the same way, at once when
answers become much slower, and keeps the smaller number unless clearly fewer answers come. While trials change nothing,
they become rare. A request that was lost after a long time leaves one slot.

A 429 delays its own request only, since a gateway may refuse at random. Crowded ones (`policy`) pause all requests
and take one slot away; if it was a slot on trial, the next trial waits. Pure: it receives the time.
"""

import math
import random
from collections.abc import Callable, Mapping

from attrs import define, field

from daemon.model import Lane
from daemon.transport.throttle.policy import Numbers, RatePause

MOST_AT_ONCE = 4
"""Measured on a shop with two cores: a fifth request at once only adds latency (woocommerce-more.md, Speed)."""

MOST_BACKFILL = MOST_AT_ONCE - 1
ANSWERS = 8
"""Answers at full use that measure a number of slots."""

GAIN = 1.1
"""Least factor by which one more slot must raise the answers per second."""

SLOWER = 1.5
"""Factor of latency from which one slot fewer is tried."""

FIRST_HOLD, LONGEST_HOLD = 15.0, 600.0
"""Seconds until the next trial after one that changed nothing: the first time, and at most."""

LONG = 10.0
"""Seconds after which a request without an answer means an overloaded server; a shorter one was cancelled."""


@define
class _Window:
    """Latencies at full use, measured since `since`."""

    since: float = -math.inf
    latencies: list[float] = field(factory=list)

    def mean(self) -> float:
        """Return the mean latency in seconds."""
        return max(1e-6, sum(self.latencies) / len(self.latencies))


class LatencyPolicy:
    """Learns the number of requests at once; for a limiter with a concurrency of `MOST_AT_ONCE`."""

    def __init__(self, *, jitter: Callable[[], float] = random.random) -> None:
        self._pause = RatePause(jitter)
        self._slots = 1
        """Places of backfill."""
        self._out: list[tuple[float, int]] = []
        """Time and number of requests in flight, the new one included, of each request under way."""
        self._window = _Window()
        self._trial: tuple[int, float] | None = None
        """The number of slots before the one that is tried, and its pace; None without a trial."""
        self._usual: float | None = None
        """Latency at the present number of slots when it was chosen."""
        self._hold = FIRST_HOLD
        self._next_trial = -math.inf
        self._tries_more = True
        """True if the next trial is of one slot more, where that is possible."""

    @property
    def at_once(self) -> int:
        """Requests that may be under way at once, the slot for live included."""
        return self._slots + 1

    def wait(self, now: float, lane: Lane, in_flight: int) -> float:
        """Return the seconds until a request may go: 0 is now, infinity is after the next answer."""
        pause = self._pause.wait(now, in_flight)
        if pause:
            return pause
        return 0.0 if in_flight < (self.at_once if lane is Lane.LIVE else self._slots) else math.inf

    def granted(self, now: float) -> None:
        """Count a request that is sent now."""
        self._out.append((now, len(self._out) + 1))

    def accepted(self, now: float, began: float, headers: Mapping[str, str]) -> None:
        """Learn from the latency of an answer."""
        del headers
        self._pause.accepted(began)
        if self._leave(began) < self._slots or began < self._window.since:
            return
        self._window.latencies.append(now - began)
        if len(self._window.latencies) >= ANSWERS:
            self._judge(now, self._window.mean())

    def refused(self, now: float, began: float, headers: Mapping[str, str], after: float | None) -> None:
        """Pause with one slot fewer if this 429 concerns more than its own request."""
        del headers
        self._leave(began)
        self._pause.count_refusal()
        paused = self._pause.begun
        if not (self._pause.crowded or paused):
            return
        self._pause.refused(now, began, after)
        if not paused:  # others were under way when the pause began, and one tries alone after it
            self._yield_slot(now)

    def lost(self, now: float, began: float) -> None:
        """Leave one slot if the server did not answer for a long time."""
        self._leave(began)
        if now - began >= LONG:
            self._set_slots(now, 1)
            self._usual = None
            self._next_trial = now + self._hold

    def numbers(self, now: float) -> Numbers:
        """Return the rest of a pause in seconds; there is no rate and no quota."""
        return Numbers(pause=self._pause.left(now))

    def _leave(self, began: float) -> int:
        """Forget a request; return the number that was in flight when it was sent."""
        slot = next((slot for slot, (sent, _) in enumerate(self._out) if sent == began), None)
        return 0 if slot is None else self._out.pop(slot)[1]

    def _judge(self, now: float, latency: float) -> None:
        """Decide with the measured latency: begin a trial, or end one."""
        pace = self._slots / latency
        if self._trial is None:
            self._try_another(now, latency, pace)
            return
        slots_before, pace_before = self._trial
        helps = pace >= GAIN * pace_before if slots_before < self._slots else pace_before < GAIN * pace
        if helps:
            self._usual, self._hold, self._next_trial = latency, FIRST_HOLD, now
        else:
            self._end_in_vain(now)
            self._tries_more = not self._tries_more
        self._set_slots(now, self._slots if helps else slots_before)

    def _try_another(self, now: float, latency: float, pace: float) -> None:
        """Begin a trial if one is due, or if answers have become much slower."""
        before = self._slots
        slower = self._usual is not None and latency > SLOWER * self._usual
        more = before == 1 or (self._tries_more and before < MOST_BACKFILL and not slower)
        self._usual = latency
        if now >= self._next_trial or (slower and before > 1):
            self._set_slots(now, before + 1 if more else before - 1)
            self._trial = before, pace
        else:
            self._set_slots(now, before)

    def _yield_slot(self, now: float) -> None:
        """Use one slot fewer. Only 429s during a trial speak against the slot that it tries."""
        if self._trial is not None and self._trial[0] < self._slots:
            self._end_in_vain(now)
        else:
            self._next_trial, self._tries_more = now, True
        self._set_slots(now, max(1, self._slots - 1))
        self._usual = None

    def _end_in_vain(self, now: float) -> None:
        """Let some time pass until the next trial, and longer after each that changes nothing."""
        self._next_trial = now + self._hold
        self._hold = min(LONGEST_HOLD, self._hold * 2)

    def _set_slots(self, now: float, slots: int) -> None:
        self._slots = slots
        self._trial = None
        self._window = _Window(now)
