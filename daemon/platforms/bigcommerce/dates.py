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
