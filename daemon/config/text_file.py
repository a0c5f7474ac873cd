"""Reads the small text files that settings stand in: the TOML itself, and a secret's own file.

They may be UTF-8 with or without a byte order mark, or UTF-16 with one, as shells of Windows write them.
"""

from pathlib import Path

from daemon.byte_order_mark import text_of

LARGEST = 1024 * 1024
"""Bytes; more is read of no file, and a device such as /dev/zero never ends."""


class UnreadableError(ValueError):
    """The file cannot be read; the text says why and what to do, and nothing of what is in it."""


def read_text_file(path: Path, remedy: str) -> str:
    """Return the text of a file. Raises UnreadableError; `remedy` is for a path that leads to no file of ours."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise UnreadableError(f"({error.strerror}); {remedy}") from None
    except ValueError:
        raise UnreadableError(f"(a path has no NUL character); {remedy}") from None
    if len(content) > LARGEST:
        raise UnreadableError(f"(it has more than {LARGEST // 1024} KiB); {remedy}")
    try:
        return text_of(content)
    except UnicodeDecodeError:
        raise UnreadableError("(it is not a text in UTF-8); save it as one") from None
