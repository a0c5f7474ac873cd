"""Refusals among the last answers of an API that tells its quota.

One 429 without quota headers says little: a gateway may refuse at random. Two among the last twenty answers, four
among the last two hundred or twelve among the last six hundred are crowded. Pure: answers are counted.
"""

from collections import deque

CROWDED = {20: 2, 200: 4, 600: 12}
"""The number of refusals among a number of answers from which the API as a whole waits."""


class Refusals:
    """The last answers of an API."""

    def __init__(self) -> None:
        self._recent = [(most, deque[bool](maxlen=answers)) for answers, most in CROWDED.items()]

    def count(self, *, refused: bool) -> None:
        """Count an answer."""
        for _, answers in self._recent:
            answers.append(refused)

    @property
    def crowded(self) -> bool:
        """Return True if the API as a whole should wait."""
        return any(sum(answers) >= most for most, answers in self._recent)

    def restart(self) -> None:
        """Forget the last answers: the API has waited for their refusals."""
        for _, answers in self._recent:
            answers.clear()
