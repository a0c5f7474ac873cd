"""The pause before another attempt, for all retries except the short ones of a single request.

Pure: the caller supplies the random number. A pause doubles with each attempt up to a limit. It is random, so that
clients that failed together do not return together.
"""

LONGEST = 900.0
"""Seconds. Limits a Retry-After as well: a wrong header must not stop work for a day."""

MOST_DOUBLINGS = 20
"""Limits the exponent: attempts are counted for days, and a float overflows after about a thousand doublings."""


def backoff(
    attempts: int, chance: float, asked: float | None = None, *, first: float = 1.0, longest: float = LONGEST
) -> float:
    """Return the seconds to wait after `attempts` earlier pauses.

    `chance` is the share of the full pause to take: a random number from 0 to 1 gives full jitter, 1.0 gives none.
    `asked` is the wait that the other side asked for, in seconds. `first` is the full pause at attempt 0.
    """
    ours = chance * first * 2.0 ** min(attempts, MOST_DOUBLINGS)
    # At least half of the first pause: with full jitter a retry could come at once.
    return min(max(ours, asked or 0.0, first / 2), longest)
