"""Counts 429s among the last answers of an API that is paced by its quota headers, or by its latency.

A single 429 without quota headers proves little, since a gateway may refuse at random. Two among the last 20 answers,
four among the last 200 or twelve among the last 600 are crowded. It knows no time, only the order of answers.
"""

from collections import deque

CROWDED = {20: 2, 200: 4, 600: 12}
"""Last answers looked at, and the 429s among them from which on all requests pause."""


class Refusals:
    """Remembers which of an API's last answers were 429s."""

    def __init__(self) -> None:
        self._recent = [(most, deque[bool](maxlen=answers)) for answers, most in CROWDED.items()]

    def count(self, *, refused: bool) -> None:
        """Count an answer."""
        for _, answers in self._recent:
            answers.append(refused)

    @property
    def crowded(self) -> bool:
        """True if all requests should pause."""
        return any(sum(answers) >= most for most, answers in self._recent)

    def restart(self) -> None:
        """Forget the last answers: a pause has been taken for their 429s."""
        for _, answers in self._recent:
            answers.clear()
