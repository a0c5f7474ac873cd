"""Counts of answers, and how many of them were 429s.

A `Tally` counts from a moment on. A crowd is a tally that begins with a refusal and goes on while a larger share is
refused than is tolerated: an API at its limit refuses in crowds, a gateway that refuses at random does not. Pure: the
time is passed in.
"""

import math

from attrs import define


@define
class Tally:
    """Answers since a moment."""

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
        """Count one answer if a crowd is open or begins with it; close the crowd at the tolerated share."""
        if not self.answers:
            if not refused:
                return
            self.restart(now)
        self.count(refused=refused)
        if self.refused <= tolerated * self.answers:
            self.restart(now)

    @property
    def accepted(self) -> int:
        """Answers other than 429."""
        return self.answers - self.refused

    @property
    def share(self) -> float:
        """The share of 429s, 0 to 1."""
        return self.refused / max(1, self.answers)

    def pace(self, now: float) -> float:
        """Return accepted requests a second, over at least a second."""
        return self.accepted / max(1.0, now - self.since)
