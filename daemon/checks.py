"""`ignite-sync check`: whether the database, and both sides of every connection, can be used; one line each."""

import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from attrs import frozen

from daemon.config import ConnectionSettings, Settings
from daemon.engine.line import SYNCED_KINDS
from daemon.errors import Blocked, ConfigError, Failure
from daemon.links import site_client
from daemon.model import ApiKey
from daemon.platforms import load_platforms
from daemon.platforms.base import Platform
from daemon.platforms.shelf import MemoryShelf
from daemon.status import registration_status
from daemon.storage import registrations
from daemon.storage.database import check_writable
from daemon.storage.vault import Vault
from daemon.wire import ignore

REMEDIES = {
    "credentials": "make a new API account or key, and put it into the configuration",
    "scope_missing": "the API account must be allowed to read products, inventory, locations and store information",
    "certificate": "check the address; if it is right, somebody may be listening in between",
    "breaker_open": "the service does not answer; try again later",
}


@frozen(kw_only=True)
class CheckResult:
    """What was found out about one thing; `detail` has the remedy when it is not ok."""

    subject: str
    ok: bool
    detail: str


async def check_connections(settings: Settings) -> list[CheckResult]:
    """Try the database, and every credential with the cheapest calls there are."""
    results = [_database(settings)]
    for link in settings.connections:
        results += [await _platform(link), await _sparklayer(settings, link), check_webhooks(settings, link)]
    return results


def _database(settings: Settings) -> CheckResult:
    path = settings.database.path
    subject = f"database {path}"
    try:
        check_writable(path)
    except ConfigError as error:
        return CheckResult(subject=subject, ok=False, detail=str(error).removeprefix(f"{subject}: "))
    names = path.stat().st_nlink if path.exists() else 1
    note = f"; it has {names} names (hard links): always use the same, since SQLite's log lies beside it"
    return CheckResult(subject=subject, ok=True, detail=f"can be written{note if names > 1 else ''}")


async def _platform(link: ConnectionSettings) -> CheckResult:
    platform_type = load_platforms()[link.platform]
    platform = platform_type.connect(link.store, None, ignore, MemoryShelf())
    try:
        return await _tried(f"{link.site} {platform_type.label}", partial(_read_a_little, platform))
    finally:
        await platform.aclose()


async def _read_a_little(platform: Platform) -> None:
    """Read the cheapest of each thing that syncing reads: a token that only the probe accepts is of no use."""
    await platform.probe()
    await platform.facts()
    for kind in SYNCED_KINDS:
        await platform.changed_since(kind, time.time(), None)


async def _sparklayer(settings: Settings, link: ConnectionSettings) -> CheckResult:
    key = ApiKey(client_id=link.client_id, client_secret=link.client_secret)
    client = site_client(settings, link.site, key, link.platform, ignore)
    try:
        return await _tried(f"{link.site} SparkLayer", client.probe)
    finally:
        await client.aclose()


def check_webhooks(settings: Settings, link: ConnectionSettings) -> CheckResult:
    """Tell whether webhooks can come, and how their registration was found last."""
    platform, public_url = load_platforms()[link.platform], settings.listener.public_url
    subject = f"{link.site} webhooks"
    if public_url is None:
        without = "listener.public_url is not set, so none are registered: changes are found by sweeps, some once a day"
        return CheckResult(subject=subject, ok=True, detail=without)
    fault = platform.public_url_fault(link.store, public_url)
    if fault is not None:
        return CheckResult(subject=subject, ok=False, detail=f"listener.public_url: {fault}")
    found = registrations.peek(settings.database.path).get(link.site)
    if found is None:
        return CheckResult(subject=subject, ok=True, detail="not registered yet; the daemon does it when it starts")
    try:
        told = registration_status(found, Vault(settings.security.secret_keys))
    except ConfigError as error:
        return CheckResult(subject=subject, ok=False, detail=str(error))
    return CheckResult(subject=subject, ok=not (told["missing"] or told["trouble"]), detail=_worded(told))


def _worded(told: Mapping[str, Any]) -> str:
    """Word a registration as one line."""
    at = told["looked_at"]
    looked = "never looked at" if at is None else f"looked at {datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
    words = [f"{told['registered']} registered, {looked}"]
    if told["trouble"]:
        words.append(f"they cannot be looked at: {told['trouble']}")
    if told["missing"]:
        missing = ", ".join(f"{one['scope']} ({one['why'] or 'not tried yet'})" for one in told["missing"])
        words.append(f"{len(told['missing'])} missing: {missing}; the running daemon tries again")
    return "; ".join(words)


async def _tried(subject: str, probe: Callable[[], Awaitable[None]]) -> CheckResult:
    try:
        await probe()
    except Failure as error:
        remedy = REMEDIES.get(error.reason, "check the address and the network, then the service's own status page")
        if isinstance(error, Blocked) and error.reason not in REMEDIES:
            remedy = "the account lacks a right, or is suspended; see the message"
        return CheckResult(subject=subject, ok=False, detail=f"{error}; {remedy}")
    return CheckResult(subject=subject, ok=True, detail="answers, and knows the credentials")
