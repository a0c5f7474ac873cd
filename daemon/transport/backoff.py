"""The pause before another attempt, for all retries that are not the short ones of a single request.

Pure: the caller brings the chance. A pause grows twofold with each attempt up to a limit. It is random, so that clients
that failed together do not come back together.
"""

LONGEST = 900.0
"""Seconds. Also the longest Retry-After that is honoured: a wrong header must not stop work for a day."""

MOST_DOUBLINGS = 20
"""Bounds the power: attempts are counted for days, and a float overflows after a thousand doublings."""


def backoff(
    attempts: int, chance: float, asked: float | None = None, *, first: float = 1.0, longest: float = LONGEST
) -> float:
    """Return the seconds to wait after `attempts` earlier pauses.

    `chance` is the share of the full pause to take: a random number from 0 to 1 gives full jitter, 1.0 gives none.
    `asked` is a wait that the other side asked for, in seconds. `first` is the full pause at attempt 0.
    """
    ours = chance * first * 2.0 ** min(attempts, MOST_DOUBLINGS)
    # Half of the first pause at least: with full jitter a retry could come at once.
    return min(max(ours, asked or 0.0, first / 2), longest)
