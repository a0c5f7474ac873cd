"""Every failure has a class, named by what must happen next.

    Failure
    ├── Retry            network, 5xx, 429, concurrent 409, a second 401: try again later
    ├── Rejected         the other side refuses this content: an issue for the merchant, waits for the next change
    │   ├── Missing      ... because the thing addressed does not exist (404)
    │   └── Duplicate    ... because an id or SKU is taken already
    ├── Blocked          nothing will work until a person or time heals it: pause the connection, probe
    │   ├── Forbidden    ... or only this entity is refused: try it again later, others will show it
    │   └── KeyRefused   ... because the key is not known where tokens are given
    └── StorageTrouble   our own database cannot commit right now: callers are told to come back
    ConfigError          the configuration is wrong: one line, exit 2
    CallerError          a caller asked for the impossible: one line for the caller
    ├── NotFound         ... it does not exist
    ├── Invalid          ... it is malformed
    └── Conflict         ... it is not possible now

Anything else that is raised is our bug (*broken*): logged with its traceback, retried, parked after ten times.

Texts of these errors may quote what a platform said, and so personal data: they go to the encrypted columns and
to the sync-log, never to logs. What may be logged is `reason`, a short fixed word such as `http_503`.
"""

import enum
from collections.abc import Sequence


class Side(enum.StrEnum):
    """Whose API failed."""

    PLATFORM = "platform"
    SPARKLAYER = "sparklayer"


class Failure(Exception):
    """Base of all failures that the daemon expects. `reason` is safe to log and to count."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class Retry(Failure):
    """Will probably work later. `after` is the number of seconds the other side asked for, if it did.

    `effect_unknown` is true when the request may have been carried out all the same (a timeout, a reset).
    """

    def __init__(self, message: str, *, reason: str, after: float | None = None, effect_unknown: bool = False) -> None:
        super().__init__(message, reason=reason)
        self.after = after
        self.effect_unknown = effect_unknown


class Rejected(Failure):
    """The other side refuses this content and would refuse it again.

    `lines` has the refused rows of a bulk call as {index in the request: words}, `properties` the names of the refused
    fields, where the other side names them.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        lines: dict[int, str] | None = None,
        properties: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(message, reason=reason)
        self.lines = lines or {}
        self.properties = properties


class Missing(Rejected):
    """The thing addressed does not exist."""


class Duplicate(Rejected):
    """An external id or a SKU is taken already."""


class Blocked(Failure):
    """Nothing of this connection will work on that side until it heals; costs no attempts."""

    def __init__(self, message: str, *, reason: str, side: Side, after: float | None = None) -> None:
        super().__init__(message, reason=reason)
        self.side = side
        self.after = after


class Forbidden(Blocked):
    """A 403 of which it will show whether a right is missing or one entity is refused: it pauses nothing yet."""


class KeyRefused(Blocked):
    """The key itself is refused, by whoever gives tokens for it: sent again, it will hardly be known."""


MISSING_RIGHT = frozenset({"scope_missing", "forbidden", "customer_read_unknown"})
"""Reasons of Blocked that may concern one API only: elsewhere than on the line itself they stop nothing else.

A Rejected that has one of them was refused because of its entity, though others are not.
"""


class StorageTrouble(Failure):
    """The database cannot commit now: locked, full, read-only, or stopping."""


class CallerError(Exception):
    """A caller asked for the impossible. The text is one line for the caller."""


class NotFound(CallerError):
    """There is no such thing."""


class Invalid(CallerError):
    """The request is malformed: the text names the field and the remedy."""


class Conflict(CallerError):
    """The request is not possible now."""


class ConfigError(Exception):
    """The configuration cannot be used. The text is one line that names file, key and remedy.

    `also` has what else is wrong with it, where all was looked at.
    """

    def __init__(self, message: str, also: Sequence["ConfigError"] = ()) -> None:
        super().__init__(message)
        self.also = tuple(also)


def raise_config_error(group: BaseExceptionGroup[BaseException]) -> None:
    """Raise the ConfigError that nurseries have wrapped into `group`, if there is one."""
    found: BaseException | None = group.subgroup(ConfigError)
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    if found is not None:
        raise found
