"""`ignite-sync check`: whether everything that the daemon needs can be used; one line for each thing.

All of it is looked at in one run: every setting, the database and what stands in it, the port, and both sides of every
connection. What depends on settings that are wrong is left out. It changes nothing, also beside a running daemon.
"""

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import trio
from attrs import frozen

from daemon.admin.status import registration_status
from daemon.cli.client import Daemon, RefusedError, UnreachableError
from daemon.config import ConnectionSettings, ListenerSettings, Settings, Survey
from daemon.connections.registry import site_client
from daemon.engine.context import SYNCED_KINDS
from daemon.errors import Blocked, ConfigError, Failure, StorageTrouble
from daemon.model import ApiKey
from daemon.platforms import load_platforms
from daemon.platforms.adapter_state import MemoryAdapterState
from daemon.platforms.base import Platform
from daemon.storage.glance import Glance, glance, registrations
from daemon.storage.sqlite import check_writable
from daemon.storage.vault import Vault
from daemon.transport.client import ignore

ANSWER_SECONDS = 5.0
"""For a daemon of ours to answer at a port that is taken."""

REMEDIES = {
    "credentials": "make a new API account or key, and put it into the configuration",
    "scope_missing": "the API account must be allowed to read products, inventory, locations and store information",
    "certificate": "check the address; if it is right, somebody may be listening in between",
    "breaker_open": "the service does not answer; try again later",
}


@frozen(kw_only=True)
class CheckResult:
    """The result of one check; `detail` has the remedy when it is not ok.

    `configured` says that the settings are to blame, so that the daemon would not start with them.
    """

    subject: str
    ok: bool
    detail: str
    configured: bool = False


async def check_all(survey: Survey) -> list[CheckResult]:
    """Try all that can be tried with settings of which some may be wrong."""
    settings, faulty = survey.settings, survey.faulty
    results = [_settings(settings)] if not survey.errors else [_wrong(error) for error in survey.errors]
    if "database" not in faulty:
        results += _database(settings, None if "security" in faulty else Vault(settings.security.secret_keys))
    if "listener" not in faulty:
        results.append(await _port(settings.listener))
    for link in settings.connections:
        results.append(await _platform(link))
        if "sparklayer" not in faulty:
            results.append(await _sparklayer(settings, link))
        if not faulty & {"listener", "database", "security"}:
            results.append(check_webhooks(settings, link))
    return results


def _settings(settings: Settings) -> CheckResult:
    return CheckResult(subject="settings", ok=True, detail=f"{len(settings.connections)} connection(s) configured")


def _wrong(error: ConfigError) -> CheckResult:
    """Tell of a setting that is wrong: the text names it."""
    subject, _, detail = str(error).partition(": ")
    return CheckResult(subject=subject, ok=False, detail=detail, configured=True)


def _database(settings: Settings, vault: Vault | None) -> Iterator[CheckResult]:
    path = settings.database.path
    subject = f"database {path}"
    try:
        check_writable(path)
        found = glance(path, vault) if path.exists() else Glance(states={})
    except (ConfigError, StorageTrouble) as error:
        detail = str(error).removeprefix(f"{subject}: ")
        yield CheckResult(subject=subject, ok=False, detail=detail, configured=isinstance(error, ConfigError))
        return
    names = path.stat().st_nlink if path.exists() else 1
    entry = f"; it has {names} names (hard links): always use the same, since SQLite's log lies beside it"
    yield CheckResult(subject=subject, ok=True, detail=f"can be written{entry if names > 1 else ''}")
    if found.unreadable:
        yield CheckResult(
            subject="security.secret_keys",
            ok=False,
            detail=f"none of the keys opens {found.unreadable} of {found.encrypted} encrypted values in {path};"
            " put the earlier key into the list, behind the new one",
            configured=True,
        )
    for place, link in enumerate(settings.connections):
        if found.states.get(link.site) in {"leaving", "gone"}:
            yield _tombstone(place, link, path)


def _tombstone(place: int, link: ConnectionSettings, path: Path) -> CheckResult:
    remedy = f"connect it again: ignite-sync connect {link.site}, or remove the connection from the settings"
    detail = f"{link.site} was disconnected, which {path} remembers, so nothing is synced; {remedy}"
    return CheckResult(subject=f"connections[{place}].site_id", ok=False, detail=detail, configured=True)


async def _port(listener: ListenerSettings) -> CheckResult:
    """Try to listen, as the daemon does; a running daemon of these settings has the port by right."""
    place = f"{listener.host}:{listener.port}"
    try:
        for opened in await trio.open_tcp_listeners(listener.port, host=listener.host):
            await opened.aclose()
    except OSError as error:
        if await trio.to_thread.run_sync(_is_ours, listener):
            return CheckResult(subject="listener.port", ok=True, detail=f"{place} is the running daemon's")
        detail = f"{place} cannot be used ({error.strerror}); choose another one, or stop the program that has it"
        return CheckResult(subject="listener.port", ok=False, detail=detail, configured=True)
    return CheckResult(subject="listener.port", ok=True, detail=f"{place} is free")


def _is_ours(listener: ListenerSettings) -> bool:
    if not listener.admin_token:
        return False
    try:
        Daemon(listener, ANSWER_SECONDS).status()
    except (UnreachableError, RefusedError):
        return False
    return True


async def _platform(link: ConnectionSettings) -> CheckResult:
    platform_type = load_platforms()[link.platform]
    platform = platform_type.connect(link.store, None, ignore, MemoryAdapterState())
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
    found = registrations(settings.database.path).get(link.site)
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
