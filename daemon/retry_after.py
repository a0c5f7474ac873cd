"""Reads the Retry-After header (RFC 9110, section 10.2.3) in both of its forms.

Ground, like `model`: the throttle waits by it and the clients hand it on in `Retry.after`. A date is measured
against the answer's own Date header where there is one, so that our clock and theirs need not agree. Where there is
none, as many seconds as the clocks differ by may be wrong with it, so it is not believed for long.
"""

import math
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

LONGEST_UNSURE = 5.0
"""Seconds that are waited at most for a date that only our own clock can be held against."""


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds the other side asks us to wait, or None when it says nothing we understand.

    `headers` has lower-case names; `now` is in seconds since the epoch.
    """
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
    """Read a number that is not negative; None when it is anything else, such as `nan`."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _timestamp(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
