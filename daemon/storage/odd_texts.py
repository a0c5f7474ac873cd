"""Texts that PostgreSQL cannot hold: with a NUL, or half of a surrogate pair. SQLite holds the first.

Platforms' texts come from JSON, which can have both. They are stored with each such character as U+FDD0, which is no
character of any text, and its four hexadecimal digits; reading undoes that.
"""

import re

ESCAPE = "\ufdd0"
_ODD = re.compile("[\x00\ufdd0\ud800-\udfff]")
_ESCAPED = re.compile("\ufdd0([0-9a-f]{4})")


def escaped(text: str) -> str:
    """Return the form in which a text is stored."""
    return _ODD.sub(lambda match: f"{ESCAPE}{ord(match[0]):04x}", text)


def unescaped(stored: str) -> str:
    """Return the text that `escaped` made `stored` of."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), stored) if ESCAPE in stored else stored
