"""The connections in the database with their credentials, and those of stores: from settings, Ignite, or an install.

Credentials are encrypted before they are stored. A store without a configured webhook secret gets one here, kept with
its credentials, since it must stay the same while its webhooks are registered.

The settings cannot move a site to another store; only Ignite can. Its ledger, owners and issues refer to that store's
ids. Credentials may come from the settings, and later from a connect or an app. The latest change wins: fingerprints
of what the settings said are stored beside the credentials, to see whether the settings have changed since.

All other settings may affect mapping. A fingerprint of them is stored as well. If it differs at a start or reload, all
kinds are read whole again; those runs start in the transaction that stores the new settings.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import cattrs
import msgspec
import structlog
from attrs import define, field, frozen

from daemon import sparklayer
from daemon.config import ConnectionSettings, Settings
from daemon.errors import ConfigError, Invalid
from daemon.model import ApiKey, Connection, Kind, Secret, Site
from daemon.platforms.base import PlatformType
from daemon.sparklayer import SparkLayer
from daemon.sparklayer.client import Known, nothing_known
from daemon.storage import connections, installs
from daemon.storage.connections import Adopt, Stored
from daemon.storage.database import Storage
from daemon.storage.vault import Vault
from daemon.transport.client import Observe

log = structlog.get_logger()

_converter = cattrs.Converter()
_converter.register_unstructure_hook(Secret, lambda secret: secret.reveal())
_converter.register_structure_hook(Secret, lambda text, _: Secret(text))


@frozen
class KnownStore:
    """A store whose credentials are known; `store` is its platform's settings value."""

    platform: str
    store: Any = field(repr=False)


@frozen(kw_only=True)
class Offered:
    """Credentials beside those in use, which replace them when they first work; None: those of that side stay.

    `store` is a settings value of the connection's platform.
    """

    api_key: ApiKey | None = None
    store: Any = field(default=None, repr=False)

    def parts(self) -> list["Offered"]:
        """Return the credentials of each side alone."""
        api_key = [] if self.api_key is None else [Offered(api_key=self.api_key)]
        return api_key if self.store is None else [*api_key, Offered(store=self.store)]

    def without(self, part: "Offered") -> "Offered":
        """Return these without the side that `part` has."""
        return Offered(
            api_key=None if part.api_key is not None else self.api_key,
            store=None if part.store is not None else self.store,
        )


NOTHING_OFFERED = Offered()


@frozen(kw_only=True)
class KeyAnswers:
    """The answers of both sides about the credentials of a connect: of SparkLayer's key, and of the store's keys.

    `store_known` is false if the store gave no answer about the keys that came with the connect. `store_void` is true
    if the store refuses those that the site's connection uses, so the merchant must let us in again.
    """

    api_key_known: bool = False
    store_known: bool = False
    store_void: bool = False


@define
class Registry:
    """Finds connections and credentials, and encrypts them. A reload brings other `settings`."""

    settings: Settings
    storage: Storage
    vault: Vault
    platforms: Mapping[str, PlatformType]

    async def adopt_all(self, now: float) -> list[Connection]:
        """Store the configured connections, and return all that are to be worked on; disconnected ones are not.

        Raises ConfigError when the settings name another store than the one that a site is connected to. Nothing is
        stored then.
        """
        links = self.settings.connections
        while links:
            # All are made before one is stored, so that a wrong configuration stores nothing.
            calls = [(link, await self._adoption(link, now)) for link in links]
            adopted = [(link, call, await self.storage.write(connections.adopt, call)) for link, call in calls]
            # Credentials that have changed since they were read are read again.
            links = tuple(
                link
                for link, call, stored in adopted
                if stored.state == "active" and stored.encrypted != call.encrypted
            )
        everyone = await self.storage.read(connections.everyone)
        return [self.decrypted(stored) for stored in everyone if stored.state == "active" and self.is_wanted(stored)]

    def is_wanted(self, stored: Stored) -> bool:
        """Return whether Ignite or the settings want an active connection."""
        return stored.by_ignite or self.link(stored.site) is not None

    async def _adoption(self, link: ConnectionSettings, now: float) -> Adopt:
        """Return the call that stores a configured connection. Raises ConfigError."""
        earlier = await self.storage.read(connections.find, link.site)
        if earlier is None or earlier.state != "active":
            encrypted = self.encrypted(link.site, link.api_key, link.store)
            return Adopt(site=link.site, platform=link.platform, encrypted=encrypted, now=now)
        platform, store, key = self.renewed(link, earlier)
        encrypted = self.encrypted(link.site, key, store, self.offered(earlier))
        return Adopt(
            site=link.site,
            platform=platform,
            # The same, encrypted again, differs: every start would change every connection, for all nodes.
            encrypted=encrypted if self.vault.decrypt(encrypted) != self._content(earlier) else earlier.encrypted,
            before=earlier.encrypted,
            now=now,
            read_again=self._read_again(earlier, platform, store),
        )

    def link(self, site: Site) -> ConnectionSettings | None:
        """Return the settings of a site's connection."""
        return next((link for link in self.settings.connections if link.site == site), None)

    def renewed(self, link: ConnectionSettings, earlier: Stored) -> tuple[str, Any, ApiKey]:
        """Return a connection's platform, store and key: those of the settings, except for later changes elsewhere.

        Raises ConfigError when the settings have come to name another store.
        """
        present = self.decrypted(earlier)
        before = self._content(earlier).get("configured") or {}
        now = self._configured(link)
        key = present.api_key if before.get("api_key") == now["api_key"] else link.api_key
        if (earlier.platform, self.identity(present)) != (link.platform, now["store"]):
            if (before.get("platform"), before.get("store")) != (link.platform, now["store"]):
                raise _another_store(link, earlier, self.identity(present))
            return earlier.platform, present.store, key
        store = with_secrets(link.store, present.store) if before.get("secrets") == now["secrets"] else link.store
        if _lacks_secret(store):
            store = attrs.evolve(store, webhook_secret=present.store.webhook_secret)
        return link.platform, store, key

    def identity(self, connection: Connection) -> str | None:
        """Return the id of a connection's store; None when the store has revoked its credentials."""
        return None if connection.store is None else self.platforms[connection.platform].identity(connection.store)

    def is_to(self, stored: Stored, platform: str, store_id: str) -> bool:
        """Return whether a connection that is not gone is to this store, and still has credentials for it."""
        return stored.platform == platform and self.identity(self.decrypted(stored)) == store_id

    async def sites(self, platform: str, store_id: str) -> list[Site]:
        """Return the sites that are connected to a store."""
        everyone = await self.storage.read(connections.everyone)
        return [
            stored.site for stored in everyone if stored.state == "active" and self.is_to(stored, platform, store_id)
        ]

    async def active(self, site: Site) -> Stored | None:
        """Return a site's active connection."""
        present = await self.storage.read(connections.find, site)
        return present if present is not None and present.state == "active" else None

    async def wanted(self, site: Site) -> Stored | None:
        """Return a site's connection if it is active, and Ignite or the settings want it."""
        present = await self.active(site)
        return present if present is not None and self.is_wanted(present) else None

    async def active_to(self, site: Site, platform: str, store_id: str) -> Stored | None:
        """Return a site's connection if it is active and to this store."""
        present = await self.active(site)
        return present if present is not None and self.is_to(present, platform, store_id) else None

    async def store_of(self, site: Site) -> str | None:
        """Return the id of the store that a connection of the site, or else the settings, name; None without one."""
        present = await self.storage.read(connections.find, site)
        if present is not None and present.state != "gone":
            store_id = self.identity(self.decrypted(present))
            if store_id is not None:
                return store_id
        link = self.link(site)
        return None if link is None else self.platforms[link.platform].identity(link.store)

    def spelt(self, store_id: str) -> dict[str, str]:
        """Return the spelling of a store's id by each platform that may have such a store. Raises Invalid for none."""
        spelt, faults = {}, []
        for name, platform in self.platforms.items():
            try:
                spelt[name] = platform.store_id(store_id)
            except ValueError as error:
                faults.append(f"{platform.label}: {error}" if len(self.platforms) > 1 else str(error))
        if not spelt:
            raise Invalid(f"store_id: {'; '.join(faults)}")
        return spelt

    def typed(self, store_ids: Mapping[str, str], extra_config: Mapping[str, object]) -> KnownStore | None:
        """Return the store whose credentials a connect brings; None if it brings none. Raises Invalid."""
        for name, store_id in store_ids.items():
            keys = self.platforms[name].typed_keys
            try:
                store = None if keys is None else keys.read(store_id, extra_config)
            except ValueError as error:
                raise Invalid(str(error)) from None
            if store is not None:
                return KnownStore(name, store)
        return None

    async def known_store(self, site: Site, store_ids: Mapping[str, str]) -> KnownStore | None:
        """Return a store's newest credentials for a site; None when there are none. See `spelt` for the ids."""
        rows = await self.storage.read(connections.of_site, site)
        alive = (row for row in rows if row.state != "gone" and row.platform in store_ids)
        earlier = next((row for row in alive if self.is_to(row, row.platform, store_ids[row.platform])), None)
        link = self.link(site)
        if link is not None and self.platforms[link.platform].identity(link.store) == store_ids.get(link.platform):
            if earlier is None or earlier.platform != link.platform:
                return KnownStore(link.platform, link.store)
            platform, store, _ = self.renewed(link, earlier)
            return KnownStore(platform, store)
        for platform, encrypted in await self.storage.read(installs.installed, store_ids):
            store = self._decrypted_store(platform, self.vault.decrypt(encrypted))
            if earlier is not None and earlier.platform == platform:
                store = with_secrets(self.decrypted(earlier).store, store)
            return KnownStore(platform, store)
        return None if earlier is None else KnownStore(earlier.platform, self.decrypted(earlier).store)

    async def installed_store(self, platform: str, store_id: str) -> Any:
        """Return the settings value of a store that has the app; None without an install."""
        rows = await self.storage.read(installs.installed, {platform: store_id})
        return self._decrypted_store(platform, self.vault.decrypt(rows[0][1])) if rows else None

    def offered(self, stored: Stored) -> Offered:
        """Return the credentials beside those that a connection uses."""
        content = self._content(stored)
        api_key, store = content.get("offered"), content.get("offered_store")
        return Offered(
            api_key=None if api_key is None else _converter.structure(api_key, ApiKey),
            store=None if store is None else self._decrypted_store(stored.platform, store),
        )

    def decrypted(self, stored: Stored) -> Connection:
        """Return a stored connection with its credentials. Raises ConfigError when no key decrypts them."""
        content = self._content(stored)
        return Connection(
            id=stored.id,
            site=stored.site,
            platform=stored.platform,
            api_key=_converter.structure(content["api_key"], ApiKey),
            store=content["store"] and self._decrypted_store(stored.platform, content["store"]),
            paused=stored.paused_at is not None,
        )

    def encrypted(self, site: Site, key: ApiKey, store: Any, offered: Offered = NOTHING_OFFERED) -> bytes:
        """Encrypt a connection's credentials; `store` is None once the store has revoked its own."""
        link = self.link(site)
        if store is not None and _lacks_secret(store):
            store = attrs.evolve(store, webhook_secret=Secret(secrets.token_urlsafe(32)))
        return self.vault.encrypt(
            {
                "api_key": _converter.unstructure(key),
                "offered": offered.api_key and _converter.unstructure(offered.api_key),
                "offered_store": offered.store and _converter.unstructure(offered.store),
                "store": _converter.unstructure(store),
                "configured": link and self._configured(link),
                "maps": None if store is None else self._mapping_settings(site, store),
            }
        )

    def encrypted_alone(self, credentials: Any) -> bytes:
        """Encrypt the credentials of one side alone: SparkLayer's key of a site, or a store's settings value."""
        return self.vault.encrypt(_converter.unstructure(credentials))

    def decrypted_key(self, encrypted: bytes) -> ApiKey:
        """Return SparkLayer's key of a site that was encrypted alone."""
        return _converter.structure(self.vault.decrypt(encrypted), ApiKey)

    def _decrypted_store(self, platform: str, content: Any) -> Any:
        return _converter.structure(content, self.platforms[platform].settings)

    def _content(self, stored: Stored) -> dict[str, Any]:
        content = self.vault.decrypt(stored.encrypted)
        assert isinstance(content, dict)  # encrypted here
        return content

    def _read_again(self, earlier: Stored, platform: str, store: Any) -> Sequence[Kind]:
        """Return the kinds that must be read whole because settings that may affect mapping have changed."""
        if self._content(earlier).get("maps") == self._mapping_settings(earlier.site, store):
            return ()
        log.info("settings changed, everything is read again", site=str(earlier.site))
        return sorted(self.platforms[platform].kinds)

    def _mapping_settings(self, site: Site, store: Any) -> str:
        """Return a fingerprint of the settings that may affect mapping: all except credentials."""
        link, every = self.link(site), attrs.asdict(store, recurse=False)
        plain = {name: value for name, value in every.items() if value is not None and not isinstance(value, Secret)}
        return _fingerprint([plain, link and link.stock_location])

    def _configured(self, link: ConnectionSettings) -> dict[str, str]:
        """Return the store that the settings name, and fingerprints of their credentials."""
        return {
            "platform": link.platform,
            "store": self.platforms[link.platform].identity(link.store),
            "secrets": _fingerprint(_secrets(link.store)),
            "api_key": _fingerprint(link.api_key),
        }


def site_client(
    settings: Settings, site: Site, key: ApiKey, platform: str, observe: Observe, known: Known = nothing_known
) -> SparkLayer:
    """Build SparkLayer's client for a site; nothing is sent yet. `known` finds ids that the site should have."""
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
    """Return whether a store's settings have the credentials of `other`."""
    return _secrets(other).items() <= _secrets(store).items()


def _lacks_secret(store: Any) -> bool:
    """Return whether a store's settings need a secret for webhooks and have none; some platforms need none."""
    return getattr(store, "webhook_secret", "") is None


def _secrets(store: Any) -> dict[str, Secret]:
    """Return the credentials among a store's settings that are set."""
    return {name: value for name, value in attrs.asdict(store, recurse=False).items() if isinstance(value, Secret)}


def _fingerprint(value: Any) -> str:
    plain = msgspec.to_builtins(_converter.unstructure(value), str_keys=True)
    return hashlib.sha256(msgspec.json.encode(plain, order="sorted")).hexdigest()


def _another_store(link: ConnectionSettings, earlier: Stored, store: str | None) -> ConfigError:
    was = earlier.platform if earlier.platform != link.platform else f"{earlier.platform} {store}"
    remedy = "name that store again, or start with a new database file"
    return ConfigError(f"connections: {link.site} was connected to another store ({was}); {remedy}")
