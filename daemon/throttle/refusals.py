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

LEAST_ANSWERS = 50
"""Answers over which a share is read at least: two refusals in a row tell little of it."""

LEAST_ACCEPTED = 5
"""Answers over which a pace is read at least."""

MOST_UNPROVEN = 0.03
"""The same where the rate was lowered by a step only: with more, another step is tried first."""

LEAST_RATE = 6.0
"""Requests a second. With fewer, a limit that others use up too looks the same: then we are the one to give way."""

MOST_FOREIGN = 0.2
"""An API that refuses more than this wants less of us, whoever is to blame."""

FOLLOWING = 0.25
"""How much the foreign share follows the share of `TRIAL` answers."""

SURE = 3.0
"""Standard deviations beyond which refusals are no chance."""


class Refusals:
    """Counts answers. `foreign` is the share of refusals that is known not to be ours."""

    def __init__(self) -> None:
        self.foreign = 0.0
        self._recent: deque[tuple[float, bool]] = deque(maxlen=RECENT)
        """When each answer came, and whether it was a refusal."""
        self.answers = 0
        """How many answers came since the last step."""
        self.since = 0.0
        """When the first of these came."""
        self.refused = 0
        """How many of these were refusals."""

    def count(self, now: float, *, refused: bool) -> None:
        """Count an answer."""
        self._recent.append((now, refused))
        if not self.answers:
            self.since = now
        self.answers += 1
        self.refused += refused

    @property
    def crowded(self) -> bool:
        """Whether more of the last answers were refusals than the foreign share explains."""
        return self._over(RECENT, sum(refused for _, refused in self._recent))

    @property
    def clean(self) -> bool:
        """Whether there were answers enough since the last step, and no refusal among them."""
        return self.answers >= LEAST_ANSWERS and not self.refused

    @property
    def too_many(self) -> bool:
        """Whether more were refusals since the last step than the foreign share explains."""
        return self._over(self.answers, self.refused)

    def _over(self, answers: int, refused: int) -> bool:
        expected = answers * self.foreign
        return refused >= max(CROWDED, math.ceil(1 + expected + SURE * math.sqrt(expected)))

    def pace(self) -> float:
        """Return how fast requests were accepted between the refusals that are crowded; 0 if it cannot be told."""
        refused = [place for place, (_, refused) in enumerate(self._recent) if refused]
        accepted = refused[-1] - refused[0] + 1 - len(refused)
        seconds = self._recent[refused[-1]][0] - self._recent[refused[0]][0]
        return accepted / seconds if accepted >= LEAST_ACCEPTED and seconds > 0 else 0.0

    @property
    def share(self) -> float:
        """The share of refusals since the last step."""
        return self.refused / max(self.answers, LEAST_ANSWERS)

    def forget(self) -> None:
        """Begin another share; a foreign one follows what is refused at a rate that is no trial."""
        if self.foreign and not self.too_many:
            self.foreign += FOLLOWING * (self.share - self.foreign)
        self.answers = self.refused = 0

    def heeded(self) -> None:
        """Begin anew: the whole API waits for what was refused until now."""
        self._recent.clear()
        self.answers = self.refused = 0


@define(kw_only=True)
class Trial:
    """A rate that was lowered: what it was, with its ceiling and when it was to be probed, and the refusals' share."""

    rate: float
    ceiling: float | None
    probe_at: float
    share: float
    again: bool = False
    """Whether refusals were crowded again since."""
    proven: bool = False
    """Whether it was lowered to a pace that was proven: then refusals that go on are not due to it."""

    def failed(self, since: Refusals) -> bool:
        """Return whether it is clear that the share of refusals has not fallen since."""
        over = since.answers >= TRIAL or self.proven
        most = MOST_FOREIGN if self.proven else MOST_UNPROVEN
        still = since.refused >= CROWDED and FEWER * self.share <= since.share <= most
        return over and still and self.rate >= LEAST_RATE
