"""Classes of failure, each named by the next step.

    Failure
    ├── Retry            network, 5xx, 429, concurrent 409: try again later
    ├── Rejected         the other side refuses this content: an issue for the merchant, waits for the next change
    │   ├── Missing      ... because the thing addressed does not exist (404)
    │   └── Duplicate    ... because an id or SKU is taken already
    ├── Blocked          nothing will work until a person or time heals it, such as a second 401: pause, probe
    │   ├── Forbidden    ... or only this entity is refused: try it again later, others will show it
    │   └── KeyRefused   ... because the API itself, in its own words, does not know the key
    └── StorageTrouble   our own database cannot commit right now: callers are told to come back
        └── LeaseLost    ... because another node may work on the connection by now
    ConfigError          the configuration is wrong: one line, exit 2
    └── NoDatabaseYet    ... or no daemon has used the database that it names
    CallerError          a caller asked for the impossible: one line for the caller
    ├── NotFound         ... it does not exist
    │   └── NoConnection ... or the site has no connection
    ├── Invalid          ... it is malformed
    │   └── Paused       ... or asks for calls for a connection that an operator has paused
    ├── Conflict         ... it is not possible now
    └── NotAllowed       ... the caller's token does not allow it

Any other exception is our bug (*broken*): logged with its traceback, retried, parked after ten attempts.

The text of a failure may quote a platform, and so personal data: it goes to encrypted columns and to the sync-log,
never to logs. Logs get `reason`, a short fixed word such as `http_503`.
"""

import enum
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # `--help` must not wait for attrs
    from daemon.model import Site


class Side(enum.StrEnum):
    """The API that failed."""

    PLATFORM = "platform"
    SPARKLAYER = "sparklayer"


class Failure(Exception):
    """Base of all expected failures. `reason` is safe to log and to count."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class Retry(Failure):
    """A later attempt will probably succeed. `after` is the wait in seconds that the other side asked for, if any.

    `effect_unknown` is true if the request may have been carried out anyway (a timeout, a reset).
    """

    def __init__(self, message: str, *, reason: str, after: float | None = None, effect_unknown: bool = False) -> None:
        super().__init__(message, reason=reason)
        self.after = after
        self.effect_unknown = effect_unknown


class Rejected(Failure):
    """The other side refuses this content and would refuse it again.

    `lines` has the refused rows of a bulk call as {index in the request: text}. `properties` has the names of the
    refused fields, if the other side names them.
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
    """The addressed object does not exist."""


class Duplicate(Rejected):
    """An external id or a SKU is taken already."""


class Blocked(Failure):
    """That side refuses the whole connection until it heals. Costs no attempts."""

    def __init__(self, message: str, *, reason: str, side: Side, after: float | None = None) -> None:
        super().__init__(message, reason=reason)
        self.side = side
        self.after = after


class Forbidden(Blocked):
    """A 403 for a missing right or for one entity only: not known yet, so nothing is paused yet."""


class KeyRefused(Blocked):
    """The API itself refuses the key: SparkLayer's token endpoint, or the platform in words that only it has.

    Any proxy can answer 401. A Blocked with the reason `credentials` may be due to one.
    """


MISSING_RIGHT = frozenset({"scope_missing", "forbidden", "customer_read_unknown"})
"""Reasons of Blocked that may concern one API only, so outside the pipeline they stop nothing else.

A Rejected with one of them was refused because of its entity; other entities are not refused.
"""


class StorageTrouble(Failure):
    """The database cannot commit now: locked, full, read-only, or stopping."""


class LeaseLost(StorageTrouble):
    """Another node may work on the connection by now, so nothing of this call was written."""

    def __init__(self) -> None:
        super().__init__("this node has lost its lease of the connection", reason="lease_lost")


class CallerError(Exception):
    """A caller asked for the impossible. The text is one line for the caller."""


class NotFound(CallerError):
    """There is no such thing."""


class NoConnection(NotFound):
    """A site has no connection."""

    def __init__(self, site: "Site | str") -> None:
        super().__init__(f"no connection {site}; name it as live/SITE_ID or test/SITE_ID")


class Invalid(CallerError):
    """The request is malformed: the text names the field and the remedy."""


class Paused(Invalid):
    """An operator has paused the connection, so nothing is called for it."""

    def __init__(self, site: "Site") -> None:
        super().__init__(f"the connection {site} is paused; resume it with: ignite-sync resume {site}")


class Conflict(CallerError):
    """The request is not possible now."""


class NotAllowed(CallerError):
    """The caller's token does not allow this."""


class ConfigError(Exception):
    """The configuration cannot be used. The text is one line that names file, key and remedy.

    `also` has its other errors, if everything was checked.
    """

    def __init__(self, message: str, also: Sequence["ConfigError"] = ()) -> None:
        super().__init__(message)
        self.also = tuple(also)


class NoDatabaseYet(ConfigError):
    """No daemon has used the configured database."""


def raise_config_error(group: BaseExceptionGroup[BaseException]) -> None:
    """Raise the ConfigError inside `group`, if nurseries have wrapped one."""
    error = first_inside(group.subgroup(ConfigError))
    if error is not None:
        raise error


def first_inside(error: BaseException | None) -> BaseException | None:
    """Return the first exception inside a group, or one that is no group itself."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
