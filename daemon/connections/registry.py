"""Links stores to sites: from settings, from Ignite or from an app's install, to connections that can be worked on.

Credentials are encrypted before they are stored. The webhook secret of a store that has none configured is made here
and kept with them, since it must stay the same for as long as its webhooks are registered.

A site that the configuration names stays with its store unless Ignite connects another: its ledger, owners and issues
speak of that store's ids. Credentials may come from the configuration, and from connect or an app after it. Whoever
changed them last is right: so what the configuration said is remembered beside them, as prints.

What the other settings say may change what everything maps to. So a print of them is kept as well, and a connection
that is adopted with others is read whole once more: the runs start in the transaction that stores the new settings.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import cattrs
import msgspec
import structlog
from attrs import define

from daemon import sparklayer
from daemon.config import ConnectionSettings, Settings
from daemon.errors import ConfigError
from daemon.model import ApiKey, Connection, Kind, Secret, Site
from daemon.platforms.base import PlatformType
from daemon.sparklayer import SparkLayer
from daemon.sparklayer.client import Known, nothing_known
from daemon.storage import connections
from daemon.storage.connections import Adopt, Stored
from daemon.storage.database import Storage
from daemon.storage.vault import Vault
from daemon.transport.client import Observe

log = structlog.get_logger()

_converter = cattrs.Converter()
_converter.register_unstructure_hook(Secret, lambda secret: secret.reveal())
_converter.register_structure_hook(Secret, lambda text, _: Secret(text))


@define
class Registry:
    """Connections of the configuration, and their encryption. A reload brings other `settings`."""

    settings: Settings
    vault: Vault
    platforms: Mapping[str, PlatformType]

    async def adopt_all(self, storage: Storage, now: float) -> list[Connection]:
        """Store the configured connections; return all that shall be worked on: the disconnected ones stay away.

        Raises ConfigError when a site's store is not the one that it was connected to; nothing is stored then.
        """
        links = self.settings.connections
        while links:
            # All are made before one is stored, so that a wrong configuration stores nothing.
            calls = [(link, await self._adoption(storage, link, now)) for link in links]
            adopted = [(link, call, await storage.write(connections.adopt, call)) for link, call in calls]
            # Credentials that have changed since they were read are read again.
            links = tuple(
                link
                for link, call, stored in adopted
                if stored.state == "active" and stored.encrypted != call.encrypted
            )
        everyone = await storage.read(connections.everyone)
        named = {link.site for link in self.settings.connections}
        return [self.opened(one) for one in everyone if one.state == "active" and (one.by_ignite or one.site in named)]

    async def _adoption(self, storage: Storage, link: ConnectionSettings, now: float) -> Adopt:
        """Return what is to be stored of a configured connection. Raises ConfigError."""
        earlier = await storage.read(connections.find, link.site)
        if earlier is None or earlier.state != "active":
            encrypted = self.encrypted(link.site, _key(link), link.store)
            return Adopt(site=link.site, platform=link.platform, encrypted=encrypted, now=now)
        platform, store, key = self.renewed(link, earlier)
        return Adopt(
            site=link.site,
            platform=platform,
            encrypted=self.encrypted(link.site, key, store, self.offered(earlier)),
            before=earlier.encrypted,
            now=now,
            read_again=self._read_again(earlier, platform, store),
        )

    def link(self, site: Site) -> ConnectionSettings | None:
        """Return what the configuration says of a site."""
        return next((link for link in self.settings.connections if link.site == site), None)

    def renewed(self, link: ConnectionSettings, earlier: Stored) -> tuple[str, Any, ApiKey]:
        """Return platform, store and key of a connection: as configured, but for what was changed elsewhere since.

        Raises ConfigError when the configuration has come to name another store.
        """
        present = self.opened(earlier)
        said = self._content(earlier).get("configured") or {}
        says = self._said(link)
        key = present.api_key if said.get("api_key") == says["api_key"] else _key(link)
        if (earlier.platform, self.identity(present)) != (link.platform, says["store"]):
            if (said.get("platform"), said.get("store")) != (link.platform, says["store"]):
                raise _another_store(link, earlier, self.identity(present))
            return earlier.platform, present.store, key
        store = with_secrets(link.store, present.store) if said.get("secrets") == says["secrets"] else link.store
        if store.webhook_secret is None:
            store = attrs.evolve(store, webhook_secret=present.store.webhook_secret)
        return link.platform, store, key

    def identity(self, connection: Connection) -> str | None:
        """Return which store a connection is to; None when its credentials were taken back."""
        return None if connection.store is None else self.platforms[connection.platform].identity(connection.store)

    def opened(self, stored: Stored) -> Connection:
        """Return a stored connection with its credentials. Raises ConfigError when no key opens them."""
        content = self._content(stored)
        return Connection(
            id=stored.id,
            site=stored.site,
            platform=stored.platform,
            api_key=_converter.structure(content["api_key"], ApiKey),
            store=content["store"] and self.opened_store(stored.platform, content["store"]),
        )

    def offered(self, stored: Stored) -> ApiKey | None:
        """Return the key that is to replace a connection's once SparkLayer knows it, None without one."""
        content = self._content(stored).get("offered")
        return None if content is None else _converter.structure(content, ApiKey)

    def opened_store(self, platform: str, content: Any) -> Any:
        """Return a store's settings value as `sealed_store` was given it."""
        return _converter.structure(content, self.platforms[platform].settings)

    def encrypted(self, site: Site, key: ApiKey, store: Any, offered: ApiKey | None = None) -> bytes:
        """Seal a connection's credentials; those of a store that took them back are None.

        `offered` is a key that SparkLayer was asked about and has not yet said that it knows.
        """
        link = self.link(site)
        if store is not None and store.webhook_secret is None:
            store = attrs.evolve(store, webhook_secret=Secret(secrets.token_urlsafe(32)))
        return self.vault.encrypt(
            {
                "api_key": _converter.unstructure(key),
                "offered": offered and _converter.unstructure(offered),
                "store": _converter.unstructure(store),
                "configured": link and self._said(link),
                "maps": None if store is None else self._maps(site, store),
            }
        )

    def _read_again(self, earlier: Stored, platform: str, store: Any) -> Sequence[Kind]:
        """Return the kinds that must be read whole because the settings are others than before."""
        if self._content(earlier).get("maps") == self._maps(earlier.site, store):
            return ()
        log.info("settings have changed: all is read once more", site=str(earlier.site))
        return sorted(self.platforms[platform].kinds)

    def _maps(self, site: Site, store: Any) -> str:
        """Return a print of the settings that what is read may map by: all that are no credentials."""
        link = self.link(site)
        return _print([_plain(store), link and link.stock_location])

    def sealed_store(self, store: Any) -> bytes:
        """Seal a store's credentials alone."""
        return self.vault.encrypt(_converter.unstructure(store))

    def _content(self, stored: Stored) -> dict[str, Any]:
        content = self.vault.decrypt(stored.encrypted)
        assert isinstance(content, dict)  # encrypted here
        return content

    def _said(self, link: ConnectionSettings) -> dict[str, str]:
        return {
            "platform": link.platform,
            "store": self.platforms[link.platform].identity(link.store),
            "secrets": _print(_secrets(link.store)),
            "api_key": _print(_key(link)),
        }


def site_client(
    settings: Settings, site: Site, key: ApiKey, platform: str, observe: Observe, known: Known = nothing_known
) -> SparkLayer:
    """Build SparkLayer's client for a site; nothing is sent yet. `known` finds what the site should have."""
    return sparklayer.connect(
        base_url=settings.sparklayer.live_url if site.env == "live" else settings.sparklayer.test_url,
        site=site,
        api_key=key,
        integration=settings.sparklayer.integration or platform,
        resolved_field=settings.sparklayer.sync_log_resolved_field,
        observe=observe,
        known=known,
    )


def with_secrets(store: Any, other: Any) -> Any:
    """Return a store's settings with the credentials of another value of the same class."""
    return attrs.evolve(store, **_secrets(other))


def has_secrets(store: Any, other: Any) -> bool:
    """Whether a store is spoken with by the credentials of `other`."""
    return _secrets(other).items() <= _secrets(store).items()


def _plain(store: Any) -> dict[str, Any]:
    """Return a store's settings without its credentials, and without those that say nothing."""
    every = {setting.name: getattr(store, setting.name) for setting in attrs.fields(type(store))}
    return {name: value for name, value in every.items() if value is not None and not isinstance(value, Secret)}


def _secrets(store: Any) -> dict[str, Secret]:
    """Return the credentials among a store's settings: those that are secrets, and there."""
    every = {setting.name: getattr(store, setting.name) for setting in attrs.fields(type(store))}
    return {name: value for name, value in every.items() if isinstance(value, Secret)}


def _key(link: ConnectionSettings) -> ApiKey:
    return ApiKey(client_id=link.client_id, client_secret=link.client_secret)


def _print(value: Any) -> str:
    plain = msgspec.to_builtins(_converter.unstructure(value), str_keys=True)
    return hashlib.sha256(msgspec.json.encode(plain, order="sorted")).hexdigest()


def _another_store(link: ConnectionSettings, earlier: Stored, store: str | None) -> ConfigError:
    was = earlier.platform if earlier.platform != link.platform else f"{earlier.platform} {store}"
    remedy = "name that store again, or start with a new database file"
    return ConfigError(f"connections: {link.site} was connected to another store ({was}); {remedy}")
