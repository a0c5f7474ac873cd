"""Tell an API's 429s apart: those that our pace causes, and a share that is refused at any pace.

One 429 says little: others use the limit too, and some gateways refuse a share of all requests. Two among the last
twenty answers are *crowded*, or four among the last two hundred: the API as a whole waits. Where a share is known to
come at any pace, it is *foreign*, and only more than it explains is crowded. A `Trial` finds that out.
Pure: answers are counted.
"""

import math
from collections import deque

from attrs import define

CROWDED = {20: 2, 200: 4, 600: 12}
"""How many refusals among how many of the last answers make the whole API wait."""

SURE = 3.0
"""So many standard deviations above the foreign share are no chance."""

MOST_FOREIGN = 0.15
"""An API that refuses a larger share wants less of us, whatever the cause."""

REMEMBERED = 2000
"""Answers after which what is known of the foreign share counts half."""

ENOUGH = 4
"""Refusals that tell a share."""
FEWEST_OWN = 0.125
"""Beyond the first two, a larger share is due to our pace."""
SHORTEST_TRIAL = 40
LONGEST_TRIAL = 800
"""Answers among which there must be `ENOUGH`, or the share is too small to matter."""
GONE = 4
"""At the lower rate refusals have ended where they take so many times as many answers as before."""


class Refusals:
    """The last answers of an API, and the share that it refuses at any pace."""

    def __init__(self) -> None:
        self._recent = [(most, deque[bool](maxlen=answers)) for answers, most in CROWDED.items()]
        self._answers = self._refused = 0.0
        self._proven = 0.0

    def count(self, *, refused: bool, calm: bool = False) -> None:
        """Count an answer; `calm` tells that it says something of the foreign share: our pace was not too fast."""
        for _, answers in self._recent:
            answers.append(refused)
        if calm and self._answers:
            self._answers += 1
            self._refused += refused
            if self._answers >= REMEMBERED:
                self._proven = self.foreign
                self._answers, self._refused = self._answers / 2, self._refused / 2
                if self._refused < 1:
                    self.forget()

    @property
    def foreign(self) -> float:
        """The share that comes at any pace, 0 while none is known; rather too large while little is known of it."""
        if not self._answers:
            return 0.0
        return min(self._proven, (self._refused + math.sqrt(self._refused)) / self._answers)

    @property
    def crowded(self) -> bool:
        """Whether there were several refusals of late, beyond the foreign share."""
        return any(sum(answers) >= max(most, self._most(answers.maxlen or 0)) for most, answers in self._recent)

    def _most(self, answers: int) -> float:
        expected = answers * self.foreign
        return 2 + expected + SURE * math.sqrt(expected)

    def learn(self, refused: float, answers: float) -> None:
        """Take what was refused for a foreign share, which may become smaller later."""
        self._refused, self._answers = refused, answers
        self._proven = min(MOST_FOREIGN, (refused + math.sqrt(refused)) / answers)

    def forget(self) -> None:
        """Know of no foreign share any more."""
        self._answers = self._refused = 0.0

    @property
    def abrupt(self) -> bool:
        """Whether the last two answers were refusals, which is hardly chance."""
        return list(self._recent[0][1])[-2:] == [True, True]

    def restart(self) -> None:
        """Begin to count the last answers again: the API has waited for the refusals of late."""
        for _, answers in self._recent:
            answers.clear()


@define(kw_only=True)
class Trial:
    """Whether refusals go on after the rate fell, and when it is lowered further: what was before, and the count.

    A limit refuses nothing while we stay well below it, or a large share of what is beyond it. The count begins with a
    refusal: until then the other side may live on what it has saved up.
    """

    rate: float
    ceiling: float | None
    hold: float
    event: float
    """When the rate had fallen the last time before."""
    before: int = 0
    """Answers among which there were `ENOUGH` refusals before the rate was lowered further."""
    answers: int = 0
    refused: int = -1
    since: float = 0.0
    found: float = 0.0
    """The pace when refusals were crowded first, if the rate did not fall then."""

    def count(self, now: float, *, refused: bool) -> None:
        """Count an answer to a request at the present rate."""
        if self.refused < 0:
            self.since = now
        self.answers += self.refused >= 0
        self.refused += refused

    def lower(self) -> None:
        """Count what is refused at a lower rate."""
        self.before, self.answers, self.refused = self.answers, 0, 0

    @property
    def too_many(self) -> bool:
        """Whether more is refused than a foreign share explains."""
        return self.refused > (1 if self.ceiling else 1.5) + FEWEST_OWN * self.answers

    def pace(self, now: float) -> float:
        """Return how many requests a second were accepted."""
        return (self.answers - self.refused) / max(1.0, now - self.since)

    @property
    def told(self) -> bool:
        """Whether the share of refusals can be told."""
        return self.refused >= ENOUGH

    @property
    def ended(self) -> bool:
        """Whether refusals have ended, or nearly."""
        longest = GONE * max(self.before, SHORTEST_TRIAL) if self.before else LONGEST_TRIAL
        return self.refused < ENOUGH and self.answers >= longest
