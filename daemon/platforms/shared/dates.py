"""Times in the formats of platforms.

They write RFC 2822 or ISO 8601; both are read wherever a time is expected. A time without a zone, or
with the unknown zone `-0000`, is UTC: the machine's own zone never matters.
"""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

_ISO = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d|\d{8}|\d{4}-?W\d\d-?\d|\d{4}-?\d{3})"
    r"(?:(?:T|\s+)(?P<hour>\d\d)(?::?(?P<minute>\d\d)(?::?(?P<second>\d\d))?)?(?:[.,](?P<part>\d+))?"
    r"\s*(?P<zone>Z|UTC|GMT|(?P<sign>[+-])(?P<off>\d\d)(?::?(?P<off_minute>\d\d))?)?)?",
    re.ASCII,
)
_ORDINAL = re.compile(r"\d{4}-?\d{3}", re.ASCII)
_RFC = re.compile(
    r"(?:[A-Z]+\.?,?\s*)?\d{1,2}(?:\s+|-)[A-Z]+(?:\s+|-)(?:\d{2,4})\s+\d{1,2}:\d\d(?::\d\d)?(?:\s*(?:[A-Z]+|[+-]\d{4}))?",
    re.ASCII | re.IGNORECASE,
)
_COMMENT = re.compile(r"\((?:[^()\\]|\\.)*\)")
_THREE_DIGITS = re.compile(r"(?<=[A-Z][\s-])\d{3}(?=\s)", re.ASCII | re.IGNORECASE)
"""A year of RFC 2822's obsolete form, counted from 1900."""
_MINUS = "\N{MINUS SIGN}"
"""ISO 8601's own sign of a zone; the hyphen stands for it."""
_LEAP = re.compile(r"(?<=:\d\d:)60\b")

_DAY, _HOUR, _LEAP_SECOND = 24, 60, 60
_EARLIEST = 1970
"""No store is older; an earlier year stands for an empty date."""


def moment_of(value: str) -> datetime | None:
    """Return a time of a platform in UTC; None if the text is not a time."""
    try:
        moment = as_written(value).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.year >= _EARLIEST else None


def seconds_of(value: str) -> float | None:
    """Return a time of a platform as seconds since the epoch; None if the text is not a time."""
    moment = moment_of(value)
    return None if moment is None else moment.timestamp()


def date_of(value: str) -> date:
    """Return the day of a date or a time, in its own zone. Raises ValueError if the text is not a date."""
    try:
        return as_written(value).date()
    except (TypeError, IndexError, OverflowError):
        raise ValueError(value) from None


def as_written(value: str) -> datetime:
    """Return a time in its own zone, else in UTC. Raises ValueError, TypeError, IndexError or OverflowError."""
    text = value.strip().replace(_MINUS, "-")
    found = _ISO.fullmatch(text.upper())
    if found:
        return _iso(found)
    plain = _without_comments(text)
    if not _RFC.fullmatch(plain):
        raise ValueError(value)
    whole = _THREE_DIGITS.sub(lambda year: str(1900 + int(year[0])), plain)
    moment = parsedate_to_datetime(_LEAP.sub("59", whole))
    late = timedelta(seconds=1 if _LEAP.search(plain) else 0)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) + late


def _without_comments(text: str) -> str:
    """Return a time of RFC 2822 without its comments, which may be nested."""
    count = 1
    while count:
        text, count = _COMMENT.subn(" ", text)
    return " ".join(text.split())


def _iso(found: re.Match[str]) -> datetime:
    """Return an ISO 8601 time; second 60 is in the next minute, hour 24 in the next day."""
    day = found["date"]
    if _ORDINAL.fullmatch(day):
        midnight = datetime(int(day[:4]), 1, 1) + timedelta(days=int(day[-3:]) - 1)  # noqa: DTZ001  its zone follows
        if midnight.year != int(day[:4]):
            raise ValueError(day)
    else:
        midnight = datetime.fromisoformat(day)
    hour, minute, second = (int(found[name] or 0) for name in ("hour", "minute", "second"))
    # A fraction is one of the smallest unit that is written.
    unit = timedelta(seconds=1) if found["second"] else timedelta(minutes=1) if found["minute"] else timedelta(hours=1)
    part = unit * int((found["part"] or "")[:9].ljust(9, "0")) // 10**9
    whole = timedelta(hours=hour, minutes=minute, seconds=second) + part
    if minute >= _HOUR or second > _LEAP_SECOND or whole > timedelta(hours=_DAY):
        raise ValueError(found[0])
    zone = UTC
    if found["sign"]:
        shift = timedelta(hours=int(found["off"]), minutes=int(found["off_minute"] or 0))
        zone = timezone(-shift if found["sign"] == "-" else shift)
    return midnight.replace(tzinfo=zone) + whole
