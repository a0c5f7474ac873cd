"""Texts without a type: from the environment, from files of secrets, and from ${NAME} in the configuration file.

access_token = "${SHOP_TOKEN}"               the variable's value, parsed by the setting's type
url = "sqlite:///${HOME}/ignite-sync.db"     the value within a text
pattern = "$${CART}"                         the text ${CART}

The small files with settings, the TOML file and files with a secret, are UTF-8 with or without a byte order mark, or
UTF-16 with one, as Windows shells write it.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from daemon.model.byte_order_mark import text_of

_REFERENCE = re.compile(r"\$(\$?)\{([A-Za-z_][A-Za-z0-9_]*)\}")


SECRET_NAME = re.compile("(?:^|_)(?:token|secret|key)s?$|^(?:webhook|slack)_url$")
"""Pattern of the names of all settings that are secrets."""


class Untyped(str):
    """A text that is parsed by the setting's type. `variable` is its name in the environment."""

    __slots__ = ("variable",)
    variable: str

    def __new__(cls, text: str, variable: str = "") -> Self:
        """Keep `variable` with `text`; it is empty for a file of a secret that TOML names."""
        untyped = super().__new__(cls, text)
        untyped.variable = variable
        return untyped


class Unset(Untyped):
    """A text of the file that refers to a variable which the environment does not have."""

    __slots__ = ()


def substituted(raw: Any, environ: Mapping[str, str]) -> Any:
    """Return raw TOML values with the variables in them. Tables and lists are copied."""
    if isinstance(raw, dict):
        return {name: substituted(value, environ) for name, value in raw.items()}
    if isinstance(raw, list):
        return [substituted(value, environ) for value in raw]
    if not isinstance(raw, str) or "${" not in raw:
        return raw
    names = [name for escape, name in _REFERENCE.findall(raw) if not escape]
    missing = next((name for name in names if name not in environ), None)
    if missing is not None:
        return Unset(raw, missing)
    text = _REFERENCE.sub(lambda found: found[0][1:] if found[1] else environ[found[2]], raw)
    # The error of a value that is one variable names the variable, not the setting.
    return Untyped(text, names[0] if raw == f"${{{names[0]}}}" else "") if names else text


def unset_in(value: Any) -> str | None:
    """Return the first variable that is missing in a value, or None."""
    if isinstance(value, Unset):
        return value.variable
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((name for each in inside if (name := unset_in(each)) is not None), None)


def holds_secret(raw: Any, name: str = "") -> bool:
    """Return True if raw values have a secret in plain text, by the name of its setting (`SECRET_NAME`)."""
    if isinstance(raw, dict):
        return any(holds_secret(value, key) for key, value in raw.items())
    if isinstance(raw, list):
        return any(holds_secret(value, name) for value in raw)
    return isinstance(raw, str) and not isinstance(raw, Untyped) and bool(raw and SECRET_NAME.search(name))


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
