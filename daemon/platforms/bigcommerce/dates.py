"""Times as the API takes and tells them."""

from datetime import UTC, datetime

MARGIN = 1.0
"""Seconds to look back further than asked: whether a filter such as `date_modified:min` includes its second is not
documented."""


def since_text(since: float) -> str:
    """Return seconds since the epoch as a filter takes them.

    Always a full timestamp: BigCommerce completes a bare date with the present time of day (contract section 3).
    """
    return f"{datetime.fromtimestamp(max(0, int(since - MARGIN)), UTC):%Y-%m-%dT%H:%M:%SZ}"


def seconds_of(moment: str) -> float | None:
    """Return a time that the API tells as seconds since the epoch; None for what is no time."""
    try:
        told = datetime.fromisoformat(moment)
    except ValueError:
        return None
    return (told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp()
