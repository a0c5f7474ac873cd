"""Small text files with settings: the TOML file, and files with a secret.

They are UTF-8 with or without a byte order mark, or UTF-16 with one, as Windows shells write it.
"""

from pathlib import Path

from daemon.model.byte_order_mark import text_of

LARGEST = 1024 * 1024
"""Largest file in bytes. A device such as /dev/zero never ends."""


class UnreadableError(ValueError):
    """The file cannot be read. The text has the reason and the remedy, and nothing of the contents."""


def read_text_file(path: Path, remedy: str) -> str:
    """Return the text of a file. Raises UnreadableError; `remedy` is for a wrong path."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise UnreadableError(f"({error.strerror}); {remedy}") from None
    except ValueError:
        raise UnreadableError(f"(a path cannot contain a NUL character); {remedy}") from None
    if len(content) > LARGEST:
        raise UnreadableError(f"(it is larger than {LARGEST // 1024} KiB); {remedy}")
    try:
        return text_of(content)
    except UnicodeDecodeError:
        raise UnreadableError("(it is not UTF-8 text); save it as UTF-8") from None
