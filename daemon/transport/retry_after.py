"""Reads the Retry-After header (RFC 9110, section 10.2.3) in both forms, and X-Retry-After in seconds.

The throttle waits by it, and the API clients put it into `Retry.after`. A date is compared with the answer's own Date
header, so that the two clocks need not agree. Without a Date header the result is wrong by the difference of the
clocks, so only a short wait is trusted.

No wait exceeds `LONGEST_WAIT`, whichever header asks for it: milliseconds read as seconds, or a point in time where a
duration is documented, would stop an API for hours or forever.
"""

import math
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

LONGEST_WAIT = 900.0
"""Longest wait in seconds that a header may ask for; after it one request tries."""

LONGEST_UNSURE = 5.0
"""Longest wait in seconds for a date that can be compared with our own clock only."""


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that the other side asks us to wait, or None without a readable header.

    `headers` has lower-case names; `now` is in seconds since the epoch. At most `LONGEST_WAIT`.
    """
    asked = (_standard(headers, now), as_seconds(headers.get("x-retry-after", "")))
    waits = [min(seconds, LONGEST_WAIT) for seconds in asked if seconds is not None]
    return max(waits, default=None)


def _standard(headers: Mapping[str, str], now: float) -> float | None:
    text = headers.get("retry-after")
    if text is None:
        return None
    seconds = as_seconds(text)
    if seconds is not None:
        return seconds
    until = _timestamp(text)
    if until is None:
        return None
    sent = _timestamp(headers.get("date", ""))
    return max(0.0, until - sent) if sent is not None else min(max(0.0, until - now), LONGEST_UNSURE)


def as_seconds(text: str) -> float | None:
    """Return a non-negative number; None for any other text, such as `nan`."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _timestamp(text: str) -> float | None:
    try:
        date = parsedate_to_datetime(text)
        # "-0000" means UTC too (RFC 5322, section 3.3); a date without a zone would be read in the machine's zone.
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
