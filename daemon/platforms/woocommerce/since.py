"""The start of a sweep, as filters of a list."""

from datetime import UTC, datetime

MARGIN = 2.0
"""Seconds subtracted: the filter excludes its own second, and dates have whole seconds (woocommerce.md, REST)."""


def changed_since(since: float) -> dict[str, str]:
    """Return the filters for entities changed at or after `since`, in seconds since the epoch.

    Only a time without a zone, together with `dates_are_gmt`, is right in every zone (woocommerce-more.md, Time).
    """
    moment = datetime.fromtimestamp(max(0, int(since - MARGIN)), UTC)
    return {"modified_after": f"{moment:%Y-%m-%dT%H:%M:%S}", "dates_are_gmt": "true"}
