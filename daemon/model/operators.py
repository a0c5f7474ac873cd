"""People and programs that may look at the daemon or act on it, by the token that each of them has.

A token has a name, which the audit log keeps, and a role. The token `listener.admin_token` is named `admin`.
"""

import enum
from typing import Any

from attrs import Attribute, field, frozen

from daemon.model import Secret
from daemon.model.identifiers import header_fault, segment_fault, trimmed

ADMIN = "admin"
"""Name of the token `listener.admin_token`."""


class Role(enum.StrEnum):
    """Rights of a token: `read` shows everything, `act` may change something too."""

    READ = "read"
    ACT = "act"


@frozen
class Operator:
    """The holder of a token."""

    name: str
    role: Role


OFFLINE = Operator("command", Role.ACT)
"""The person who has the database itself, and runs a command on it."""


def _check_name(_: object, setting: "Attribute[str]", value: str) -> None:
    if words := segment_fault(value):
        raise ValueError(f"{setting.name}: {words}")


def _check_token(_: object, setting: "Attribute[Secret]", value: Secret) -> None:
    if words := header_fault(value.reveal()):
        raise ValueError(f"{setting.name}: {words}")


@frozen(kw_only=True)
class NamedToken:
    """A token of the settings. A wrong value raises ValueError "NAME: what it must be"."""

    name: str = field(converter=trimmed, validator=_check_name)
    token: Secret = field(validator=_check_token)
    role: Role = field(default=Role.READ)

    @property
    def operator(self) -> Operator:
        """Its holder."""
        return Operator(self.name, self.role)


def roles(text: Any) -> Role:
    """Return the role of that name. Raises ValueError."""
    try:
        return Role(text)
    except ValueError:
        raise ValueError(f"must be one of {', '.join(Role)}, not {text!r}") from None
