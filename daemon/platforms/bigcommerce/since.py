"""The start of a sweep, as the value of a filter."""

from datetime import UTC, datetime

MARGIN = 1.0
"""Seconds subtracted from a filter such as `date_modified:min`, which may exclude its own second (undocumented)."""


def since_text(since: float) -> str:
    """Return seconds since the epoch in the format of a filter.

    Always a full timestamp: BigCommerce completes a bare date with the present time of day (contract section 3).
    """
    return f"{datetime.fromtimestamp(max(0, int(since - MARGIN)), UTC):%Y-%m-%dT%H:%M:%SZ}"
