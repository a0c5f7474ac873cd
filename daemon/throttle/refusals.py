"""Judges the 429s of an API: which hold back their own request only, and which are due to our pace.

One 429 says little: others use the limit too, and some gateways refuse a share of all requests, whatever our pace is.
Two among the last twenty answers are crowded: the API as a whole waits. Whether our pace is to blame is tried out: it
is lowered, once, and if the share of refusals does not fall in the next 200 answers, that share is not ours. From then
on it takes more refusals than such a share explains to be crowded. Pure: answers are counted, not timed.
"""

import math
from collections import deque

from attrs import define

RECENT = 20
CROWDED = 2
"""Refusals among `RECENT` answers that make the whole API wait."""

TRIAL = 200
"""Answers after the rate was lowered, by which it is judged."""

FEWER = 1 / 3
"""The share of refusals has fallen if it is less than this of what it was: chance alone makes it differ that much."""

LEAST_SHARE = 2 / TRIAL
"""A share below this is chance."""

LEAST_ANSWERS = 50
"""Answers over which a share is read at least: two refusals in a row tell little of it."""

MOST_STEPS = 2
"""So often the rate is lowered in a trial. The second step is to a pace that was proven, pauses included."""

MOST_FOREIGN = 0.1
"""An API that refuses more than this wants less of us, whoever is to blame."""

SURE = 3.0
"""Standard deviations beyond which refusals are no chance."""


class Refusals:
    """Counts answers. `foreign` is the share of refusals that is known not to be ours."""

    def __init__(self) -> None:
        self.foreign = 0.0
        self._recent: deque[bool] = deque(maxlen=RECENT)
        self._answers = 0
        self._refused = 0

    def count(self, *, refused: bool) -> None:
        """Count an answer."""
        self._recent.append(refused)
        self._answers += 1
        self._refused += refused

    @property
    def crowded(self) -> bool:
        """Whether more of the last answers were refusals than the foreign share explains."""
        expected = RECENT * self.foreign
        return sum(self._recent) >= max(CROWDED, math.ceil(1 + expected + SURE * math.sqrt(expected)))

    @property
    def answers(self) -> int:
        """How many answers came since the last step."""
        return self._answers

    @property
    def share(self) -> float:
        """The share of refusals since the last step."""
        return self._refused / max(self._answers, LEAST_ANSWERS)

    def restart(self) -> None:
        """Begin another share."""
        self._answers = self._refused = 0

    def heeded(self) -> None:
        """Begin anew: the whole API waits for what was refused until now."""
        self._recent.clear()
        self.restart()


@define(kw_only=True)
class Trial:
    """A rate that was lowered: what it was, with its ceiling and when it was to be probed, and the refusals' share."""

    rate: float
    ceiling: float | None
    probe_at: float
    share: float
    steps: int = 1
    """How often it was lowered since."""

    def helped(self, share: float) -> bool:
        """Return whether the share of refusals has fallen."""
        return share < max(LEAST_SHARE, FEWER * self.share)
