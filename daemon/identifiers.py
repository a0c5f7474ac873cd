"""Ids and credentials as people type and paste them: trimmed, and checked before HTTP has to carry them.

A fault is a few words that name what is wrong, such as "it has a non-breaking space", and never repeat the value.
Ground, like `model`: settings, the command line and the listener decide by the same rules.
"""

import re
import unicodedata

LONGEST = 512
"""Characters of a credential; far more than any that was seen."""

LONGEST_ID = 200
"""Characters of a site's id; likewise."""

_INVISIBLE = "\ufeff\u200b\u200c\u200d\u2060\u00ad"
_SEGMENT = re.compile(rf"(?!\.{{1,2}}$)[A-Za-z0-9._~!$&()*+,;=:@-]{{1,{LONGEST_ID}}}")
"""One segment of a path (RFC 3986, section 3.3) without percent signs and apostrophes; no step to another folder."""

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
    """Describe a character that does not belong into an id or a credential."""
    if character in "\u201a\u201e":
        return "a typographic quotation mark"  # Unicode counts these two among the brackets
    known = _NAMES.get(character) or _CATEGORIES.get(unicodedata.category(character))
    return known or ("a character outside ASCII" if ord(character) > ord("~") else f"the character {character}")


def line_fault(text: str) -> str | None:
    """Return why `text` is not one line of text, or None."""
    odd = next((one for one in text if unicodedata.category(one) in {"Cc", "Cs", "Zl", "Zp"}), None)
    return f"must be one line of text; it has {name_of(odd)}" if odd else None


def header_fault(text: str, *, spaces: bool = True) -> str | None:
    """Return why a header cannot carry `text` (RFC 9110, section 5.5), or None."""
    odd = next((one for one in text if not "!" <= one <= "~" and not (spaces and one == " ")), None)
    if odd is None and 0 < len(text) <= LONGEST:
        return None
    need = f"must be 1 to {LONGEST} printable ASCII characters{'' if spaces else ' without spaces'}"
    return f"{need}; it has {name_of(odd) if odd else f'{len(text)} characters'}"


def segment_fault(text: str) -> str | None:
    """Return why `text` cannot be one segment of a path, as a site's id must be, or None."""
    if _SEGMENT.fullmatch(text):
        return None
    need = "must be the id alone, in ASCII letters, digits and . _ ~ -"
    if not text:
        return f"{need}; it is empty"
    if text in {".", ".."}:
        return f"{need}; dots alone are none"
    if len(text) > LONGEST_ID:
        return f"{need}; it has {len(text)} characters"
    odd = next(one for one in text if not _SEGMENT.fullmatch(f"x{one}"))
    return f"{need}; it has {name_of(odd)}"


def credential_fault(value: object) -> str | None:
    """Return why a value of a request cannot be an id or a secret that is sent on, or None."""
    if not isinstance(value, str):
        return "must be a text"
    if not trimmed(value):
        return "is empty"
    return header_fault(trimmed(value))


def without_slash(base_url: str) -> str:
    """Return a base URL in the form that paths are appended to."""
    return base_url.rstrip("/")
