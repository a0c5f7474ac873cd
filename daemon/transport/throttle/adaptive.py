"""The policy for an API that publishes no limit, such as SparkLayer: it finds one out and stays just below.

Requests are paced at a rate. Until the first event the rate doubles as fast as answers confirm it, so that an API
without a limit is not held back. Crowded 429s (`refusals`) are a congestion event: the rate falls, once, however many
requests are refused with it, and what it falls to is the ceiling. It is held for 30 s, and for 500 requests, so that
what the next probe is refused is little beside what went through (for 5 s while it is rough, found by doubling).
Then the probe creeps above it until the next event. The rate grows only while it holds requests back.

The other side may have saved up a burst, which says nothing of its pace. Hence a 429 proves this:
* Whoever is refused finds nothing saved up. So what was accepted between two events, pauses included, came at the pace
  exactly. A ceiling that was refused while it was held was too high: it falls to that.
* Of what a probe was accepted, a burst at most was saved up before, and the rest came at the pace or slower. The
  stretch of the probe that proves most is the next ceiling, unless the present one is higher.
* How large the burst is, is learnt where a probe overrated the pace: it is what the probe got beyond it. It fades from
  one probe to the next, lest one that was overrated hides for good that the pace has grown.
Some gateways refuse a share of all requests, at any pace. After a fall a `Trial` counts refusals; where they go on, the
rate is lowered once more, well below what was proven. If they go on even then, that share is foreign: the fall is taken
back, and only what exceeds the share is an event. A hidden limit refuses nothing there, and the rate returns to the
ceiling. A foreign share that is seen no more, or twice in a row does not explain what is refused, is forgotten.

After an event as many turns as the burst are left unused: others who share the limit come by chance, and what is saved
up then pays for them. Live needs no reserve here: being first, it waits for one interval, or for those turns, at most.
"""

import math
import random
from collections.abc import Callable, Mapping, Sequence

from daemon.model import Lane
from daemon.transport.throttle.policy import Numbers, Pause
from daemon.transport.throttle.refusals import Refusals, Trial

FIRST_RATE = 10.0
SLOWEST_RATE = 1.0
"""Below this the pauses after refusals do the throttling."""

FALL = 0.95
"""Of the pace that was proven."""
ROUGH_FALL = 0.5
"""Of what was accepted while doubling, which tells little more than the order of magnitude."""
DEEPEST_FALL = 0.9
"""Of a ceiling that was held for a while. The pause after an event is in the measure of the next, and weighs too much
where the other side saves nothing up meanwhile.
"""

HOLD_SECONDS = 30.0
HOLD_REQUESTS = 500
ROUGH_HOLD_SECONDS = 5.0
DOUBLING_SECONDS = 0.05
CREEPING_SECONDS = 1.0
FIRST_CREEP = 0.05
FASTER = 1.15
"""A probe grows by 5 % in its first second and each second 1.15 times as much as before, until it doubles."""

FADING = 0.9
"""How much of a burst is believed in after another probe."""
UNUSED_SECONDS = 2.0
"""So long at most turns are left unused, whatever the burst: live waits too."""

SAVED_SECONDS = 0.05
SAVED_TURNS = 1.5
"""How much unused rate may be saved up: enough for a late wake-up, too little for a burst."""

EVENT_SECONDS = 1.0
"""Refusals within this time of an event belong to it; also the least time over which a rate is measured."""

DEEP = 0.7
"""Of a rate: well below. Where the limit is the cause, refusals end at this; where it is not, they go on."""
TRIED_ABOVE = 6.0
"""Requests a second. At a slower pace, a limit that others use up looks the same; then we are the one to give way."""

FOREIGN_HOLD = 2.0
"""A probe takes longer to be told from a foreign share, and is refused more."""

UNTRIED = 2
"""Falls after a trial that showed that our pace was the cause."""

NEARLY_ONE = 1.0 - 1e-6
"""Sleeping for (1 - saved) / rate may end a rounding error short of a whole turn."""

Stretch = tuple[float, int]
"""Seconds until now, and how many requests were accepted in them."""


class Meter:
    """How many requests were accepted in stretches that end now.

    The longest began with the last event, or in a quiet time: that tells nothing of a limit and is forgotten, but for
    its last second, so that a rate is never read off an instant. The others began with each step of the rate.
    """

    def __init__(self) -> None:
        self._accepted = 0
        self._marks: list[tuple[float, int]] = [(0.0, 0)]
        self.from_event = False
        """Whether the longest stretch began with an event."""

    def count(self) -> None:
        """Count an accepted request."""
        self._accepted += 1

    def step(self, now: float) -> None:
        """Begin another stretch."""
        self._marks.append((now, self._accepted))

    def restart(self, now: float) -> None:
        """Begin anew after an event."""
        self._marks, self.from_event = [(now, self._accepted)], True

    def forget(self, now: float) -> None:
        """Begin anew, as if in a quiet time."""
        self._marks, self.from_event = [(now, self._accepted)], False

    def rest(self, now: float) -> None:
        """Begin anew in a quiet time, if there is a second of it."""
        began = self._marks[-1][0]
        if now - began > EVENT_SECONDS:
            recent = self._marks[-1:] if now - began <= 2 * EVENT_SECONDS else []
            self._marks, self.from_event = [*recent, (now, self._accepted)], False

    def stretches(self, now: float) -> Sequence[Stretch]:
        """Return them, the longest first; each counts for one second at least."""
        return [(max(EVENT_SECONDS, now - began), self._accepted - before) for began, before in self._marks]


class AdaptivePolicy:
    """Finds the rate by itself; `rate` is the first guess, in requests per second."""

    def __init__(self, *, rate: float = FIRST_RATE, jitter: Callable[[], float] = random.random) -> None:
        self._rate = rate
        self._ceiling: float | None = None
        self._growth = 0.0
        self._hold = ROUGH_HOLD_SECONDS
        self._pause = Pause(jitter)
        self._refusals = Refusals()
        self._trial: Trial | None = None
        self._untried = 0
        """Falls that are not tried: refusals have just been found to be due to our pace."""
        self._doubts = 0
        """Events since the last probe: two in a row are not explained by what is known of a foreign share."""
        self._meter = Meter()
        self._burst = 0.0
        self._probe: Sequence[Stretch] = ()
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
        if now - self._held_back > EVENT_SECONDS:
            self._meter.rest(now)

    def accepted(self, now: float, began: float, headers: Mapping[str, str]) -> None:
        """Grow, if this request began at the present rate, and that rate was felt."""
        del headers
        self._pause.accepted(began)
        self._meter.count()
        self._count(now, began, refused=False)
        if began >= self._stepped < self._held_back:
            self._grow(now)

    def refused(self, now: float, began: float, headers: Mapping[str, str], after: float | None) -> None:
        """Pause and fall when refusals are crowded; one alone holds back its own request only."""
        del headers
        if self._count(now, began, refused=True):
            if began >= self._event and now - self._event >= EVENT_SECONDS:
                self._heed(now)
        elif not self._pause.begun:
            return
        self._pause.refused(now, began, after)

    def lost(self, now: float, began: float) -> None:
        """Learn nothing: a failing network is the breaker's business."""

    def numbers(self, now: float) -> Numbers:
        """Return what is known."""
        return Numbers(rate=self._rate, ceiling=self._ceiling, pause=self._pause.left(now))

    def _count(self, now: float, began: float, *, refused: bool) -> bool:
        """Count an answer; return whether there are too many refusals."""
        probing = self._ceiling is not None and self._growth > 0 and now - self._held_back <= EVENT_SECONDS
        self._refusals.count(refused=refused, calm=not probing and not self._pause.begun)
        trial = self._trial
        if trial is None:
            return self._refusals.crowded
        if began < self._stepped:
            return False
        trial.count(now, refused=refused)
        if trial.ended:
            self._untried = UNTRIED if trial.before else 0
            self._end_trial(now, self._ceiling or self._rate)
            return False
        if trial.told and trial.before and not trial.too_many:
            self._take_back(now, trial)
            return False
        return refused and (trial.told or trial.too_many)

    def _take_back(self, now: float, trial: Trial) -> None:
        """Take the share of refusals for foreign, and go on as before the fall."""
        self._refusals.learn(2 * trial.refused, trial.before + trial.answers)
        self._end_trial(now, trial.ceiling or trial.rate)
        self._ceiling, self._hold, self._event = trial.ceiling, trial.hold, trial.event
        self._meter.forget(now)
        self._probe = ()

    def _heed(self, now: float) -> None:
        """Fall, and find out whether it was due to our pace."""
        rate, trial, probed = self._rate, self._trial, self._growth > 0
        before = Trial(
            rate=rate / (1.0 + self._growth) if self._ceiling else rate,
            ceiling=self._ceiling,
            hold=self._hold,
            event=self._event,
        )
        if trial is None and self._ceiling is None and not self._refusals.abrupt and not self._refusals.foreign:
            self._trial, self._event, self._stepped = before, now, now
            seconds, accepted = self._meter.stretches(now)[0]
            before.found = accepted / seconds
            self._refusals.restart()
            return
        told = trial is not None and not trial.before and not trial.too_many
        self._trial = None
        pace = 0.0
        if trial is not None:
            pace = FALL * trial.pace(now) if told else ROUGH_FALL * trial.found
        if not self._fall(now, pace):
            return
        self._doubts = 0 if probed else self._doubts + 1
        if self._doubts > 1:
            self._refusals.forget()
        self._refusals.restart()
        if trial is not None and told:
            self._trial = trial
            trial.lower()
            self._rate *= DEEP
            self._saved *= DEEP
        elif self._rate >= TRIED_ABOVE and not self._refusals.foreign:
            rough = before.ceiling is None or self._hold == ROUGH_HOLD_SECONDS
            if self._untried > 0:
                self._untried -= 1
            elif rough or not (probed or trial):
                self._trial = before

    def _end_trial(self, now: float, rate: float) -> None:
        """Go on at this rate."""
        self._trial = None
        self._refusals.restart()
        self._step(now, 0.0)
        self._rate = rate

    def _save(self, now: float) -> None:
        most = max(SAVED_TURNS, self._rate * SAVED_SECONDS)
        if self._saved < most:
            self._saved = min(most, self._saved + (now - self._saved_at) * self._rate)
        self._saved_at = now

    def _grow(self, now: float) -> None:
        if self._ceiling is None:
            if self._trial is None and now - self._stepped >= DOUBLING_SECONDS:
                self._step(now, 1.0)
        elif self._trial is not None and self._trial.before:
            return
        elif now - self._event >= self._hold and now - self._stepped >= CREEPING_SECONDS:
            self._trial = None
            self._step(now, min(1.0, self._growth * FASTER or FIRST_CREEP))

    def _step(self, now: float, growth: float) -> None:
        self._save(now)
        self._meter.step(now)
        self._rate *= 1.0 + growth
        self._growth = growth
        self._stepped = now

    def _fall(self, now: float, found: float) -> bool:
        """Lower the rate, while doubling to `found` at least; return whether this was possible."""
        stretches = self._meter.stretches(now)
        seconds, accepted = stretches[0]
        if not accepted:
            return False  # Others used the API up before anything was accepted, which says nothing of a ceiling.
        rough = self._ceiling is None or (not self._growth and self._hold == ROUGH_HOLD_SECONDS)
        if self._ceiling is None:
            found = max(found, ROUGH_FALL * accepted / seconds)
        elif self._growth:
            found = max(self._ceiling * (FALL if self._refusals.foreign else 1.0), FALL * self._pace(stretches))
        else:
            least = (ROUGH_FALL if rough else DEEPEST_FALL) * self._rate
            found = max(least, FALL * min(self._rate, self._pace(stretches[:1])))
            self._learn_burst(found)
        if self._growth:
            self._probe = stretches[1:]
            self._burst *= FADING
        self._rate = self._ceiling = max(SLOWEST_RATE, min(found, self._rate / (1.0 + self._growth)))
        self._hold = ROUGH_HOLD_SECONDS if rough else max(HOLD_SECONDS, HOLD_REQUESTS / self._rate)
        if self._refusals.foreign and not rough:
            self._hold *= FOREIGN_HOLD
        self._growth = 0.0
        self._saved, self._saved_at = -min(self._burst, UNUSED_SECONDS * self._rate), now
        self._event = self._stepped = now
        self._meter.restart(now)
        return True

    def _pace(self, stretches: Sequence[Stretch]) -> float:
        """Return how fast the other side lets requests through at least."""
        (seconds, accepted), *steps = stretches
        saved = 0.0 if self._meter.from_event else self._burst
        return max([(accepted - saved) / seconds, *((accepted - self._burst) / seconds for seconds, accepted in steps)])

    def _learn_burst(self, pace: float) -> None:
        """See what the last probe had beyond the pace, if this is the first event since."""
        if self._probe and self._meter.from_event:
            self._burst = max(0.0, *(accepted - pace * seconds for seconds, accepted in self._probe))
        self._probe = ()
