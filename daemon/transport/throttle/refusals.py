"""Tell whether an API's 429s concern the request that was refused only, or the API as a whole.

One 429 says little: others use the limit too, and some gateways refuse a share of all requests. Two among the last
twenty answers are *crowded*, or four among the last two hundred: the API as a whole waits. Pure: answers are counted.
"""

from collections import deque

CROWDED = {20: 2, 200: 4}
"""How many refusals among how many of the last answers make the whole API wait."""


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
        """Whether there were several refusals of late."""
        return any(sum(answers) >= most for most, answers in self._recent)

    def restart(self) -> None:
        """Begin to count again: the API has waited for the refusals of late."""
        for _, answers in self._recent:
            answers.clear()
