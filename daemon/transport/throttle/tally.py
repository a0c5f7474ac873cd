"""Counts answers, and the 429s among them, since a given time.

A crowd is a tally that begins with a 429 and lasts while the share of 429s exceeds the tolerated share. An API at its
limit refuses in crowds; a gateway that refuses at random does not. Pure: it receives the time.
"""

import math

from attrs import define


@define
class AnswerTally:
    """Answers, and 429s among them, since the time `since`."""

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
