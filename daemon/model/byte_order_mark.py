"""Decoding of text that may begin with a byte order mark (Unicode Standard, section 23.8).

Windows editors and shells write a mark, in UTF-8 or UTF-16; some web servers send one before their JSON. Text without
a mark is UTF-8. Used for settings, secret files, answers and request bodies.
"""

import codecs

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    # UTF-32 first: its mark in little endian begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_FIRST = frozenset(mark[:1] for mark, _ in _MARKS)


def text_of(content: bytes) -> str:
    """Decode `content`, without its mark. Raises UnicodeDecodeError."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding)
    return content.decode()


def without_mark(content: bytes) -> bytes:
    """Return `content` in UTF-8 without its mark; unchanged without a mark, or if the mark is wrong."""
    if content[:1] not in _FIRST:
        return content
    if content.startswith(codecs.BOM_UTF8):
        return content[len(codecs.BOM_UTF8) :]
    try:
        return text_of(content).encode()
    except UnicodeError:
        return content
