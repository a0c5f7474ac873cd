"""Links stores to sites: from settings, or from the database, to connections that can be worked on.

Credentials are sealed before they are stored. The webhook secret of a store that has none configured is made here
and kept with them, since it must stay the same for as long as its webhooks are registered.

A site stays with the store it was connected to: its ledger, owners and issues speak of that store's ids.
"""

import secrets
from collections.abc import Mapping
from typing import Any

import attrs
import cattrs

from daemon import sparklayer
from daemon.config import ConnectionSettings, Settings
from daemon.errors import ConfigError
from daemon.model import ApiKey, Connection, Secret, Site
from daemon.platforms.base import PlatformType
from daemon.sparklayer import SparkLayer
from daemon.storage import connections
from daemon.storage.connections import Adopt, Stored
from daemon.storage.database import Storage
from daemon.storage.vault import Vault
from daemon.wire import Observe

_converter = cattrs.Converter()
_converter.register_unstructure_hook(Secret, lambda secret: secret.reveal())
_converter.register_structure_hook(Secret, lambda text, _: Secret(text))


async def adopt_all(
    settings: Settings, storage: Storage, vault: Vault, platforms: Mapping[str, PlatformType], now: float
) -> list[Connection]:
    """Store the configured connections; return those that may be worked on: the disconnected ones stay away.

    Raises ConfigError when a site's store is not the one that it was connected to.
    """
    adopted = []
    for link in settings.connections:
        earlier = await storage.read(connections.find, link.site)
        if earlier is not None and earlier.state == "active":
            _require_same_store(link, earlier, vault, platforms)
        store = _with_webhook_secret(link, earlier, vault)
        key = ApiKey(client_id=link.client_id, client_secret=link.client_secret)
        wish = Adopt(site=link.site, platform=link.platform, sealed=_sealed(vault, key, store), now=now)
        stored = await storage.write(connections.adopt, wish)
        if stored.state == "active":
            adopted.append(opened(stored, vault, platforms))
    return adopted


def opened(stored: Stored, vault: Vault, platforms: Mapping[str, PlatformType]) -> Connection:
    """Return a stored connection with its credentials. Raises ConfigError when no key opens them."""
    content: Any = vault.open(stored.sealed)
    return Connection(
        id=stored.id,
        site=stored.site,
        platform=stored.platform,
        api_key=_converter.structure(content["api_key"], ApiKey),
        store=_converter.structure(content["store"], platforms[stored.platform].settings),
    )


def site_client(settings: Settings, site: Site, key: ApiKey, platform: str, observe: Observe) -> SparkLayer:
    """Build SparkLayer's client for a site; nothing is sent yet."""
    return sparklayer.connect(
        base_url=settings.sparklayer.live_url if site.env == "live" else settings.sparklayer.test_url,
        site=site,
        api_key=key,
        integration=settings.sparklayer.integration or platform,
        resolved_field=settings.sparklayer.sync_log_resolved_field,
        observe=observe,
    )


def _require_same_store(
    link: ConnectionSettings, earlier: Stored, vault: Vault, platforms: Mapping[str, PlatformType]
) -> None:
    was = earlier.platform
    if was == link.platform:
        identity = platforms[was].identity
        store = identity(opened(earlier, vault, platforms).store)
        if store == identity(link.store):
            return
        was = f"{was} {store}"
    remedy = "name that store again, or start with a new database file"
    raise ConfigError(f"connections: {link.site} was connected to another store ({was}); {remedy}")


def _with_webhook_secret(link: ConnectionSettings, earlier: Stored | None, vault: Vault) -> Any:
    if link.store.webhook_secret is not None:
        return link.store
    content: Any = vault.open(earlier.sealed) if earlier else {"store": {}}
    kept = content["store"].get("webhook_secret") or secrets.token_urlsafe(32)
    return attrs.evolve(link.store, webhook_secret=Secret(kept))


def _sealed(vault: Vault, key: ApiKey, store: Any) -> bytes:
    return vault.seal({"api_key": _converter.unstructure(key), "store": _converter.unstructure(store)})
