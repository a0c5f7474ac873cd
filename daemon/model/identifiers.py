"""Ids and credentials as people type and paste them: trimmed, and checked before HTTP carries them.

A fault is a short text such as "it has a non-breaking space"; it never repeats the value. Settings, the command line
and the listener share these rules.
"""

import re
import unicodedata
from urllib.parse import parse_qsl

LONGEST = 512
"""Most characters of a credential; known ones are far shorter."""

LONGEST_ID = 200
"""Most characters of a site's id; known ones are far shorter."""

_INVISIBLE = "\ufeff\u200b\u200c\u200d\u2060\u00ad"
_SEGMENT = re.compile(rf"(?!\.{{1,2}}$)[A-Za-z0-9._~!$&()*+,;=:@-]{{1,{LONGEST_ID}}}")
"""One segment of a path (RFC 3986, section 3.3), without percent signs and apostrophes; neither `.` nor `..`."""

_NAMES = {
    "\n": "a line break",
    "\r": "a line break",
    "\0": "a NUL character",
    "\t": "a tab",
    " ": "a space",
    "\u00a0": "a non-breaking space",
    "\ufffd": "a character that was lost in a conversion",
}
_CATEGORIES = {
    "Cs": "bytes that are not UTF-8",
    "Cc": "a control character",
    "Cf": "an invisible character",
    "Pi": "a typographic quotation mark",
    "Pf": "a typographic quotation mark",
    "Pd": "a typographic dash",
    "Zs": "an unusual space",
    "Zl": "a line break",
    "Zp": "a line break",
}


def trimmed(text: str) -> str:
    """Return `text` without the space, line breaks and invisible characters around it."""
    before = None
    while text != before:
        before, text = text, text.strip().strip(_INVISIBLE)
    return text


def name_of(character: str) -> str:
    """Describe a character that is not allowed in an id or a credential."""
    if character in "\u201a\u201e":
        return "a typographic quotation mark"  # Unicode classes these two as brackets
    known = _NAMES.get(character) or _CATEGORIES.get(unicodedata.category(character))
    return known or ("a character outside ASCII" if ord(character) > ord("~") else f"the character {character}")


def line_fault(text: str) -> str | None:
    """Return the fault of a text that is not one line, or None."""
    odd = next((character for character in text if unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}), None)
    return f"must be one line of text; it has {name_of(odd)}" if odd else None


def header_fault(text: str, *, spaces: bool = True) -> str | None:
    """Return the fault of a text that no header can carry (RFC 9110, section 5.5), or None."""
    allowed = " ~" if spaces else "!~"
    odd = next((character for character in text if not allowed[0] <= character <= allowed[1]), None)
    if odd is None and 0 < len(text) <= LONGEST:
        return None
    need = f"must be 1 to {LONGEST} printable ASCII characters{'' if spaces else ' without spaces'}"
    return f"{need}; it has {name_of(odd) if odd else f'{len(text)} characters'}"


def segment_fault(text: str) -> str | None:
    """Return the fault of a text that cannot be one segment of a path, as a site's id must be, or None."""
    if _SEGMENT.fullmatch(text):
        return None
    need = "must be the id alone, in ASCII letters, digits and . _ ~ -"
    if not text:
        return f"{need}; it is empty"
    if text in {".", ".."}:
        return f"{need}; dots alone are not an id"
    if len(text) > LONGEST_ID:
        return f"{need}; it has {len(text)} characters"
    odd = next(character for character in text if not _SEGMENT.fullmatch(f"x{character}"))
    return f"{need}; it has {name_of(odd)}"


def credential_fault(value: object) -> str | None:
    """Return the fault of a request's id or secret that cannot be sent on, or None."""
    if not isinstance(value, str):
        return "must be a text"
    if not trimmed(value):
        return "is empty"
    return header_fault(trimmed(value))


def without_slash(base_url: str) -> str:
    """Return a base URL without its trailing slash, so that paths can be appended."""
    return base_url.rstrip("/")


def without_password(url: str) -> str:
    """Return a database's URL as it may be printed: without password and parameters, with the folder of a socket."""
    # A password that was not encoded may have any of the separators, so all up to the last @ may belong to it.
    scheme, _, rest = url.partition("://")
    user, at, place = rest.rpartition("@")
    host, _, query = place.partition("?")
    folder = dict(parse_qsl(query)).get("host", "") if host[:1] in {"", "/"} else ""
    return f"{scheme}://{user.partition(':')[0]}{at}{folder}{host}"
