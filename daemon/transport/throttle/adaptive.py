"""The policy for an API that publishes no limit, such as SparkLayer: find the limit and stay just below it.

Requests are paced at a rate. The rate doubles as fast as answers confirm it, until 429s crowd (`AnswerTally`): there
are more of them than the tolerated share explains. All requests then pause, and the rate falls to 95 % of the measured
pace. That ceiling is held for 30 s and 1,200 requests; then a probe creeps above it.

A single 429 never lowers the rate, since some gateways refuse a share of all requests at any pace. While a ceiling is
held, every 200 answers are judged: an unexplained share of 429s lowers the rate once. If the share does not fall by
half in the next 200 answers, the pace is not its cause. The share is then called foreign: the old rate returns, and the
share is tolerated. The policy does not know who else uses the limit. Below six requests a second it yields to them.
"""

import math
import random
from collections.abc import Callable, Mapping

from attrs import define

from daemon.model import Lane
from daemon.transport.throttle.policy import Numbers, RatePause

FIRST_RATE = 10.0
SLOWEST_RATE = 1.0
"""Requests per second. Below this the pauses after 429s do the throttling."""

FALL = 0.95
ROUGH_FALL = 0.6
"""Share of a measured pace to use. Doubling measures roughly: the API may have let through a saved-up burst."""
DEEPEST_FALL = 0.5

HOLD_SECONDS = 30.0
HOLD_REQUESTS = 1200
ROUGH_HOLD_SECONDS = 5.0

DOUBLING_SECONDS = 0.05
CREEPING_SECONDS = 1.0
FIRST_CREEP = 0.03
FASTER = 1.1
"""A probe grows by 3 % in its first second, then by 1.1 times the previous step each second, up to doubling."""

TOLERATED = 0.05
TOLERATED_FOREIGN = 2.5
"""Tolerated share of 429s: 5 % plus 2.5 times the foreign share."""
CROWD, CROWD_IN_PROBE = 4, 2
"""429s allowed beyond the tolerated share. At a random share of 2 %, chance exceeds four once in 100,000 answers. A
probe allows fewer, since a mistake there costs only the probe."""
DENSE = 8
MEASURED_SECONDS = 1.0
CLEARLY = 1.1
"""A pace measured above the ceiling by this factor is a new ceiling; a smaller excess may be a measuring error."""

JUDGED_ANSWERS = 200
UNEXPLAINED = 0.01
MOST_FOREIGN = 0.1
PRESUMED_FOREIGN = 0.02
"""Foreign share assumed before the first measurement."""
GIVING_WAY = 6.0

SAVED_SECONDS = 0.05
SAVED_TURNS = 1.5
"""Limits of the unused rate that may be saved up: enough for a late wake-up, too little for a burst."""
NEARLY_ONE = 1.0 - 1e-6


@define
class AnswerTally:
    """Counts answers, and the 429s among them, since the time `since`.

    A crowd is a tally that begins with a 429 and lasts while the share of 429s exceeds the tolerated share. An API at
    its limit refuses in crowds; a gateway that refuses at random does not.
    """

    since: float = -math.inf
    answers: int = 0
    refused: int = 0

    def restart(self, now: float) -> None:
        """Count from zero."""
        self.since, self.answers, self.refused = now, 0, 0

    def count(self, *, refused: bool) -> None:
        """Count one answer."""
        self.answers += 1
        self.refused += refused

    def count_crowd(self, now: float, *, refused: bool, tolerated: float) -> None:
        """Count one answer if a crowd is open or begins with it; close the crowd once the share is tolerated."""
        if not self.answers:
            if not refused:
                return
            self.restart(now)
        self.count(refused=refused)
        # From here on the share is explained; counting further would hide a later crowd.
        if self.refused <= tolerated * self.answers:
            self.restart(now)

    @property
    def accepted(self) -> int:
        """Number of answers other than 429."""
        return self.answers - self.refused

    @property
    def share(self) -> float:
        """Share of 429s, from 0 to 1."""
        return self.refused / max(1, self.answers)

    def pace(self, now: float) -> float:
        """Return the accepted requests per second, measured over at least a second."""
        return self.accepted / max(1.0, now - self.since)


class AdaptivePolicy:
    """Paces requests at a rate that it learns. `rate` is the first guess, in requests per second."""

    def __init__(self, *, rate: float = FIRST_RATE, jitter: Callable[[], float] = random.random) -> None:
        self._rate = rate
        self._ceiling: float | None = None
        self._growth = 0.0
        """Last step of a probe, relative to the rate before it; 0 while a ceiling is held."""
        self._hold = ROUGH_HOLD_SECONDS
        self._pause = RatePause(jitter)
        self._crowd = AnswerTally()
        self._held = AnswerTally()
        self._second, self._second_before = AnswerTally(), AnswerTally()
        self._lowered: tuple[float, float] | None = None
        """Rate and share of 429s before the step down that is being judged."""
        self._foreign = PRESUMED_FOREIGN
        # Turns saved up, so that a task that wakes late loses no rate.
        self._saved = SAVED_TURNS
        self._saved_at = -math.inf
        self._stepped = self._event = self._held_back = -math.inf

    def wait(self, now: float, lane: Lane, in_flight: int) -> float:
        """Return the seconds until a request may go: 0 is now, infinity is after the next answer."""
        del lane
        pause = self._pause.wait(now, in_flight)
        if not pause:
            self._save(now)
            # Sleeping for (1 - saved) / rate may end a rounding error short of a whole turn.
            if self._saved >= NEARLY_ONE:
                return 0.0
            pause = (1.0 - self._saved) / self._rate
        self._held_back = now
        return pause

    def granted(self, now: float) -> None:
        """Count a request that is sent now."""
        del now
        self._saved -= 1.0

    def accepted(self, now: float, began: float, headers: Mapping[str, str]) -> None:
        """Raise the rate if it delays requests and this request began at it."""
        del headers
        self._pause.accepted(began)
        self._count(now, began, refused=False)
        # A rate that delays no request is not tested by an answer, so it must not grow.
        # While a crowd is open the rate stays, so that the crowd measures the pace at one rate.
        if began >= self._stepped < self._held_back and not self._crowd.answers:
            self._grow(now)

    def refused(self, now: float, began: float, headers: Mapping[str, str], after: float | None) -> None:
        """Pause and lower the rate when 429s crowd; a single one delays its own request only."""
        del headers
        if self._count(now, began, refused=True):
            self._fall(now)
        elif not self._pause.begun:
            return
        # During a pause every 429 lengthens it: the request that tried was meant to show that the API recovered.
        self._pause.refused(now, began, after)

    def lost(self, now: float, began: float) -> None:
        """Learn nothing: the breaker handles network failures."""

    def numbers(self, now: float) -> Numbers:
        """Return the rate and the ceiling in requests per second, and the rest of a pause in seconds."""
        return Numbers(rate=self._rate, ceiling=self._ceiling, pause=self._pause.left(now))

    def _count(self, now: float, began: float, *, refused: bool) -> bool:
        """Count an answer; return whether 429s crowd."""
        if now - self._second.since > MEASURED_SECONDS:
            # After a silence, the second before it says nothing of the present pace.
            silent = now - self._second.since > 2 * MEASURED_SECONDS
            self._second_before, self._second = AnswerTally(now) if silent else self._second, AnswerTally(now)
        self._second.count(refused=refused)
        if began < self._stepped:
            return False  # The answer belongs to the previous rate.
        probing = self._ceiling is not None and self._growth > 0
        # Only a steady rate shows the foreign share: a search or a probe causes 429s itself.
        if self._ceiling is not None and not probing:
            self._held.count(refused=refused)
            self._judge(now)
        tolerated = TOLERATED + TOLERATED_FOREIGN * self._foreign
        crowd = self._crowd
        crowd.count_crowd(now, refused=refused, tolerated=tolerated)
        fewest = CROWD_IN_PROBE if probing or self._gives_way else CROWD
        if crowd.refused <= fewest + tolerated * crowd.answers:
            return False
        # A probe needs a crowd of a second to measure its pace, unless most requests are refused: then there is none.
        dense = crowd.refused >= DENSE and crowd.refused >= crowd.accepted
        return not probing or dense or now - crowd.since >= MEASURED_SECONDS

    @property
    def _gives_way(self) -> bool:
        # At a slow pace, a limit that other clients use up looks the same as a foreign share.
        return self._ceiling is not None and self._rate <= GIVING_WAY

    def _judge(self, now: float) -> None:
        """Lower the rate once for an unexplained share of 429s, or undo that step if it did not help."""
        held = self._held
        if held.answers < JUDGED_ANSWERS:
            return
        if self._lowered is not None:
            rate, before = self._lowered
            self._lowered = None
            if held.share >= before / 2 and not self._gives_way:
                self._foreign = min(MOST_FOREIGN, (held.share + before) / 2)
                # These 429s had set a rough ceiling by mistake, so the search for a limit continues.
                rough = self._hold == ROUGH_HOLD_SECONDS
                self._set_rate(now, rate)
                self._ceiling, self._hold = None if rough else rate, 0.0
        elif held.share > self._foreign + UNEXPLAINED:
            self._lowered = self._rate, held.share
            # If a limit is the cause, it lets through the rate less the refused share.
            self._set_rate(now, max(SLOWEST_RATE, FALL * self._rate * (1.0 - held.share)))
            self._ceiling = self._rate
        else:
            # A moving average: one unlucky run of 200 answers must not change the tolerance much.
            self._foreign += (held.share - self._foreign) / 4
        held.restart(now)

    def _save(self, now: float) -> None:
        most = max(SAVED_TURNS, self._rate * SAVED_SECONDS)
        if self._saved < most:
            self._saved = min(most, self._saved + (now - self._saved_at) * self._rate)
        self._saved_at = now

    def _grow(self, now: float) -> None:
        if self._ceiling is None:
            if now - self._stepped >= DOUBLING_SECONDS:
                self._set_rate(now, self._rate * 2)
        elif now - self._event >= self._hold and now - self._stepped >= CREEPING_SECONDS and self._lowered is None:
            self._growth = min(1.0, self._growth * FASTER or FIRST_CREEP)
            self._set_rate(now, self._rate * (1.0 + self._growth))

    def _set_rate(self, now: float, rate: float) -> None:
        self._save(now)  # The time until now counts at the old rate.
        self._rate, self._stepped = rate, now
        self._crowd.restart(now)

    def _fall(self, now: float) -> None:
        """Lower the rate to the pace that the API accepts."""
        before = self._rate / (1.0 + self._growth)
        pace, searching = self._pace(now), self._ceiling is None
        if searching and not pace:
            self._crowd.restart(now)
            return  # Nothing was accepted, so other clients use the limit up: this measures no ceiling.
        if self._ceiling is None:
            rate = ROUGH_FALL * pace
        elif self._growth:
            # In less time a probe may have used a burst that the API had saved up.
            measured = FALL * pace if now - self._crowd.since >= MEASURED_SECONDS else 0.0
            rate = measured if measured > CLEARLY * self._ceiling else self._ceiling
        else:
            rate = max(DEEPEST_FALL * self._rate, FALL * min(pace, self._rate))
        rate = max(SLOWEST_RATE, min(rate, before))
        # Many 429s at once measure no pace: probe again soon.
        rough = searching or rate <= DEEPEST_FALL * before
        self._set_rate(now, rate)
        self._ceiling, self._growth, self._lowered = rate, 0.0, None
        self._hold = ROUGH_HOLD_SECONDS if rough else max(HOLD_SECONDS, HOLD_REQUESTS / rate)
        # Doubt the learnt share after each fall: it may have been other clients using the limit.
        self._foreign /= 2
        # Turns saved at the old rate would be sent as a burst into an API that has just refused.
        self._saved, self._event = 0.0, now
        self._held.restart(now)
        self._second, self._second_before = AnswerTally(now), AnswerTally(now)

    def _pace(self, now: float) -> float:
        """Return the recently accepted requests per second."""
        if now - self._crowd.since >= MEASURED_SECONDS:
            return self._crowd.pace(now)
        # A short crowd measures nothing, so use the last one or two seconds, but no time before the last fall.
        since = self._second_before.since if self._second_before.since > -math.inf else self._second.since
        return (self._second.accepted + self._second_before.accepted) / max(MEASURED_SECONDS, now - since)
