"""Reads the Retry-After header (RFC 9110, section 10.2.3) in both of its forms, and X-Retry-After in seconds.

Ground, like `model`: the throttle waits by it and the clients hand it on in `Retry.after`. A date is measured
against the answer's own Date header where there is one, so that our clock and theirs need not agree. Where there is
none, as many seconds as the clocks differ by may be wrong with it, so it is not believed for long.

No wait is longer than `LONGEST_WAIT`, whichever header asks for it: milliseconds that are taken for seconds, or a time
where a duration is documented, would silence an API for hours or for ever.
"""

import math
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

LONGEST_WAIT = 900.0
"""Seconds that are waited at most because a header asks for it; then one request tries."""

LONGEST_UNSURE = 5.0
"""Seconds that are waited at most for a date that only our own clock can be held against."""


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds the other side asks us to wait, or None when it says nothing we understand.

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
    """Read a number that is not negative; None when it is anything else, such as `nan`."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _timestamp(text: str) -> float | None:
    try:
        date = parsedate_to_datetime(text)
        # "-0000" is UTC too (RFC 5322, section 3.3); without a zone the machine's would be taken.
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
