"""Every setting as a frozen value, one class for each section of the file.

A value that exists is within its limits: constructing a wrong one raises ValueError "NAME: what it must be". Secrets
are `Secret`, so no `repr` shows them. Times are seconds. Base URLs have no trailing slash. `load` checks their form and
scheme, because it knows the connections; it finds them by `metadata={"url": BASE}`, or `WHOLE` if a query may follow.

The names are those of the file; docs/configuration.md and config/ignite-sync.example.toml describe them.
"""

import base64
import binascii
import hashlib
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import Attribute, field, frozen, validators
from attrs.converters import optional

from daemon.model import ApiKey, Secret, Site
from daemon.model.identifiers import header_fault, segment_fault, trimmed, without_password, without_slash
from daemon.model.operators import ADMIN, NamedToken, Role

_SQLITE = "sqlite:///"
_POSTGRES = ("postgresql", "postgres")
SECRET_KEY_LENGTH = 16
BASE, WHOLE = "base", "whole"
"""The URLs of settings: one to which paths are appended, or one that is called as it is."""

_URL = {"url": BASE}
_WHOLE_URL = {"url": WHOLE}
SIGNING_PREFIX = "whsec_"

_Check = Callable[[Any, "Attribute[Any]", Any], None]


def _between(low: float, high: float = math.inf) -> _Check:
    limits = f"{low:g} or more" if high == math.inf else f"between {low:g} and {high:g}"

    def check(_: object, setting: "Attribute[Any]", value: float) -> None:
        if not low <= value <= high or value == math.inf:  # written so that nan fails too
            raise ValueError(f"{setting.name}: must be {limits}, not {value}")

    return check


def _one_of(*words: str) -> _Check:
    def check(_: object, setting: "Attribute[Any]", value: str) -> None:
        if value not in words:
            raise ValueError(f"{setting.name}: must be one of {', '.join(words)}, not {value!r}")

    return check


def _filled(_: object, setting: "Attribute[Any]", value: str | None) -> None:
    if value is not None and not value.strip():
        raise ValueError(f"{setting.name}: is empty; fill it in, or remove it if it is optional")


def _refusing(fault: Callable[[str], str | None]) -> _Check:
    """Make a validator from a function that returns the fault of a text or secret. It accepts None."""

    def check(_: object, setting: "Attribute[Any]", value: str | Secret | None) -> None:
        text = value.reveal() if isinstance(value, Secret) else value
        if text is not None and (words := fault(text)):
            raise ValueError(f"{setting.name}: {words}")

    return check


def _host_fault(text: str) -> str | None:
    return None if re.fullmatch(r"[A-Za-z0-9._:%-]+", text) else "must be an IP address or a host name"


def _integration_fault(text: str) -> str | None:
    return "must be a name, not dots alone" if text in {".", ".."} else None


def _signing_fault(text: str) -> str | None:
    """Return the fault of a key that signs webhooks, by the specification of Standard Webhooks."""
    need = "must be whsec_ and 24 to 64 bytes in base64; create it with: echo whsec_$(openssl rand -base64 32)"
    try:
        key = base64.b64decode(text.removeprefix(SIGNING_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return need
    return None if text.startswith(SIGNING_PREFIX) and len(key) in range(24, 65) else need


def _database(_: object, setting: "Attribute[Any]", value: str) -> None:
    scheme, separator, _ = value.partition("://")
    if _is_server(value):
        return
    if value.startswith(_SQLITE) and re.fullmatch(r"[^?#]*[^?#/:]", value.removeprefix(_SQLITE)):
        return
    # Only the scheme is repeated, because the rest may contain a password.
    given = f", not {scheme}://" if separator and not value.startswith(_SQLITE) else ""
    need = f"must be sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME{given}"
    raise ValueError(f"{setting.name}: {need}; set IGNITE_SYNC_DATABASE_URL=sqlite:///ignite-sync.db")


def _server(_: object, setting: "Attribute[Any]", value: str | None) -> None:
    if value is not None and not _is_server(value):
        raise ValueError(f"{setting.name}: must be postgresql://USER:PASSWORD@HOST/NAME; remove it to use url")


def _is_server(url: str) -> bool:
    scheme, separator, rest = url.partition("://")
    return bool(scheme in _POSTGRES and separator and rest and " " not in url.strip())


def _secret_keys(_: object, setting: "Attribute[Any]", value: tuple[Secret, ...]) -> None:
    if not value or any(len(key.reveal()) < SECRET_KEY_LENGTH for key in value):
        need = f"must list at least one text, each of {SECRET_KEY_LENGTH} or more characters"
        raise ValueError(f"{setting.name}: {need}; create one with: openssl rand -base64 32")


def _differ(_: object, setting: "Attribute[Any]", value: tuple[NamedToken, ...]) -> None:
    for what, each in (("name", [token.name for token in value]), ("token", [token.token for token in value])):
        if len(set(each)) < len(each):
            raise ValueError(
                f"{setting.name}: two have the same {what}; give each its own, so that each has one holder"
            )


@frozen(kw_only=True)
class ListenerSettings:
    """The listening address, and the tokens of callers. Without a token every such call is refused.

    `tokens` are those of `[[listener.tokens]]`, which `load` builds.
    """

    host: str = field(default="127.0.0.1", validator=[_filled, _refusing(_host_fault)])
    port: int = field(default=8080, validator=_between(0, 65535))
    public_url: str | None = field(default=None, converter=optional(without_slash), metadata=_URL)
    ignite_token: Secret | None = field(default=None, validator=_refusing(header_fault))
    admin_token: Secret | None = field(default=None, validator=_refusing(header_fault))
    tokens: tuple[NamedToken, ...] = field(default=(), validator=_differ)
    metrics_open: bool = False

    @property
    def operators(self) -> tuple[NamedToken, ...]:
        """All tokens that may see /admin and the page, `admin_token` first."""
        own = [NamedToken(name=ADMIN, token=self.admin_token, role=Role.ACT)] if self.admin_token else []
        return (*own, *self.tokens)

    @property
    def command_token(self) -> Secret | None:
        """The token that commands send: the first one that may act, else the first."""
        tokens = sorted(self.operators, key=lambda token: token.role is not Role.ACT)
        return tokens[0].token if tokens else None

    @tokens.validator
    def _beside_the_first(self, setting: "Attribute[Any]", value: tuple[NamedToken, ...]) -> None:
        if self.admin_token and any(token.name == ADMIN or token.token == self.admin_token for token in value):
            raise ValueError(f"{setting.name}: one has the name {ADMIN!r} or the token of admin_token; change it")


@frozen(kw_only=True)
class DatabaseSettings:
    """The database: outbox, ledger, connections. `folder` is not a setting; `load` fills it in."""

    # No `repr` shows it, since it may have a password.
    url: str = field(default="sqlite:///ignite-sync.db", converter=trimmed, validator=_database, repr=False)
    listen_url: str | None = field(default=None, converter=optional(trimmed), validator=_server, repr=False)
    folder: Path = field(factory=Path, kw_only=True)

    @property
    def place(self) -> Path | Secret:
        """The path of the database file, or the URL of a database on PostgreSQL."""
        return self.path if self.url.startswith(_SQLITE) else Secret(self.url)

    @property
    def listen_place(self) -> Secret:
        """The URL at which a node listens for wake-ups."""
        return Secret(self.listen_url or self.url)

    @property
    def shown(self) -> str:
        """The place as it may be printed."""
        return str(self.path) if self.url.startswith(_SQLITE) else without_password(self.url)

    @property
    def path(self) -> Path:
        """The absolute path of the database file. A relative `url` starts at `folder`, the configuration file's."""
        return (self.folder / self.url.removeprefix(_SQLITE)).absolute()


@frozen(kw_only=True)
class SparkLayerSettings:
    """SparkLayer's two environments. An `integration` of None is the platform's name."""

    live_url: str = field(default="https://app.sparklayer.io", converter=without_slash, metadata=_URL)
    test_url: str = field(default="https://test.app.sparklayer.io", converter=without_slash, metadata=_URL)
    integration: str | None = field(default=None, validator=[_filled, _refusing(_integration_fault)])
    sync_log_resolved_field: str = field(default="synced_external_ids", validator=_filled)


@frozen(kw_only=True)
class SyncSettings:
    """The pace of syncing. `backfill_depth` limits the rows of full syncs in the outbox."""

    debounce_seconds: float = field(default=1.0, validator=_between(0))
    debounce_max_seconds: float = field(default=10.0, validator=_between(0))
    sweep_seconds: float = field(default=900.0, validator=_between(1))
    census_seconds: float = field(default=3600.0, validator=_between(1))
    webhooks_seconds: float = field(default=3600.0, validator=_between(1))
    backfill_depth: int = field(default=1000, validator=_between(1))

    @debounce_max_seconds.validator
    def _not_before_the_debounce(self, setting: "Attribute[float]", value: float) -> None:
        if value < self.debounce_seconds:
            raise ValueError(f"{setting.name}: must not be less than debounce_seconds ({self.debounce_seconds})")


@frozen(kw_only=True)
class SecuritySettings:
    """The keys of encrypted values in the database: the first encrypts, all decrypt."""

    secret_keys: tuple[Secret, ...] = field(validator=_secret_keys)


@frozen(kw_only=True)
class LoggingSettings:
    """The level of log lines."""

    level: str = field(default="info", validator=_one_of("debug", "info", "warning", "error"))


@frozen(kw_only=True)
class NotificationSettings:
    """The receivers that are told of trouble and of its end. The addresses are secrets: anyone who has one can send."""

    webhook_url: Secret | None = field(default=None, metadata=_WHOLE_URL)
    webhook_secret: Secret | None = field(default=None, validator=_refusing(_signing_fault))
    slack_url: Secret | None = field(default=None, metadata=_WHOLE_URL)
    after_seconds: float = field(default=60.0, validator=_between(0))
    digest_seconds: float = field(default=3600.0, validator=_between(0))
    runbook_url: str | None = field(default=None, converter=optional(without_slash), metadata=_URL)

    @webhook_secret.validator
    def _with_the_url(self, setting: "Attribute[Secret | None]", value: Secret | None) -> None:
        if self.webhook_url is not None and value is None:
            raise ValueError(f"{setting.name}: is missing; it signs what goes to webhook_url")


@frozen(kw_only=True)
class ConnectionSettings:
    """One store linked to one SparkLayer site.

    `store` is the settings value of `platform`, from the table of that name; only the platform reads it. The seconds
    take the place of those of `SyncSettings`.
    """

    site_env: str = field(validator=_one_of("live", "test"))
    site_id: str = field(converter=trimmed, validator=_refusing(segment_fault))
    client_id: str = field(converter=trimmed, validator=[_filled, _refusing(header_fault)])
    client_secret: Secret = field(validator=_refusing(header_fault))
    platform: str
    store: Any = None
    full_sync_on_start: bool = True
    allow_http: bool = False
    stock_location: str | None = field(default=None, validator=_filled)
    sweep_seconds: float | None = field(default=None, validator=validators.optional(_between(1)))
    census_seconds: float | None = field(default=None, validator=validators.optional(_between(1)))
    webhooks_seconds: float | None = field(default=None, validator=validators.optional(_between(1)))

    @property
    def site(self) -> Site:
        """The connection's identity."""
        return Site(self.site_env, self.site_id)

    @property
    def api_key(self) -> ApiKey:
        """SparkLayer's key for the site."""
        return ApiKey(client_id=self.client_id, client_secret=self.client_secret)


@frozen(kw_only=True)
class Settings:
    """All settings. `apps` has the settings of the configured apps, by platform. No two connections share a site.

    `foreign` names the ignored variables: a cluster set them, with our prefix.
    """

    listener: ListenerSettings = ListenerSettings()
    database: DatabaseSettings = DatabaseSettings()
    sparklayer: SparkLayerSettings = SparkLayerSettings()
    sync: SyncSettings = SyncSettings()
    security: SecuritySettings
    logging: LoggingSettings = LoggingSettings()
    notifications: NotificationSettings = NotificationSettings()
    apps: Mapping[str, Any] = field(factory=dict)
    connections: tuple[ConnectionSettings, ...] = ()
    foreign: tuple[str, ...] = ()

    @property
    def shared_fingerprint(self) -> str:
        """A fingerprint of what all nodes of a database should have the same. No secret changes it."""
        shared = (self.sparklayer, self.sync, self.connections, sorted(self.apps.items()))
        return hashlib.sha256(repr(shared).encode()).hexdigest()[:16]
