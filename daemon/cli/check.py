"""`ignite-sync check`: a test of everything that the daemon needs, one line each.

One run tests every setting, the database and its contents, the port, and both sides of every connection. Tests that
depend on a wrong setting are left out. It changes nothing, and may run beside the daemon.
"""

import os
import stat
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click
import trio
from attrs import frozen

from daemon.admin.status import registration_status
from daemon.cli import stopping
from daemon.cli.client import DaemonClient, RefusedError, UnreachableError
from daemon.cli.group import config_option, counted, moment, say
from daemon.config import ConnectionSettings, ListenerSettings, Settings, Survey, look_over
from daemon.config.settings import DatabaseSettings
from daemon.connections.factory import webhook_path
from daemon.connections.registry import site_client
from daemon.engine.context import SYNCED_KINDS
from daemon.engine.leftovers import UNKNOWABLE
from daemon.errors import MISSING_RIGHT, Blocked, ConfigError, Failure, Retry, StorageTrouble
from daemon.model import Kind, Secret
from daemon.model.operators import ADMIN
from daemon.platforms import load_platforms
from daemon.platforms.adapter_state import MemoryAdapterState
from daemon.platforms.base import Platform, PlatformType
from daemon.storage.glance import Glance, glance, registrations
from daemon.storage.notify import arrives
from daemon.storage.sqlite import check_writable
from daemon.storage.vault import Vault
from daemon.transport.client import ignore
from daemon.transport.http import reach

TOKEN_LENGTH = 12
"""Fewest characters of an operator's token: its guesses are slowed down, but not ended."""

ANSWER_SECONDS = 5.0
"""Time for our own daemon to answer at a port that is in use."""

REMEDIES = {
    "credentials": "create a new API account or key, and put it into the configuration",
    "scope_missing": "allow the account to read all that is synced",
    "certificate": "check the address; if it is right, the connection may be intercepted",
    "breaker_open": "the service does not answer; try again later",
}
NO_REMEDIES: Mapping[str, str] = MappingProxyType({})


@frozen(kw_only=True)
class CheckResult:
    """Result of one test; `detail` has the remedy if it is not ok.

    `configured` is True for a wrong setting, with which the daemon would not start.
    """

    subject: str
    ok: bool
    detail: str
    configured: bool = False


@click.command()
@config_option
@click.pass_context
def check(ctx: click.Context, path: Path | None) -> None:
    """Test the settings, the database, the port and every credential; list all errors.

    The exit code is 2 if the settings must change, 1 if only something else is wrong.
    """
    survey = look_over(path, os.environ, load_platforms())
    results = [*_exposed(path, survey), *stopping.run(check_all, survey)]
    for result in results:
        say(f"{'ok' if result.ok else 'FAILED':<8}{result.subject}: {result.detail}")
    for note in _notes(survey):
        say(f"note    {note}")
    failed = [result for result in results if not result.ok]
    ctx.exit(2 if any(result.configured for result in failed) else int(bool(failed)))


def _exposed(path: Path | None, survey: Survey) -> Iterator[CheckResult]:
    """Find the files with secrets that every user of this machine can read."""
    own = [path] if path is not None and survey.has_secrets else []
    for place in (*own, *survey.secret_files):
        if place.stat().st_mode & stat.S_IROTH:
            detail = f"every user of this machine can read it, and it contains secrets; run: chmod o-rwx {place}"
            yield CheckResult(subject=str(place), ok=False, detail=detail)


def _notes(survey: Survey) -> Iterator[str]:
    if "database" not in survey.faulty:
        if isinstance(survey.settings.database.place, Path):
            yield (
                f"database: {survey.settings.database.shown}; if its disk is not permanent (a dyno's), the last seconds"
                " of acknowledged changes may be lost with it, and the full sync at the next start repairs them"
            )
        yield (
            "lost database: SKUs deleted meanwhile lose price and stock after the first full sync;"
            f" {'; '.join(UNKNOWABLE.values())}"
        )
    if foreign := survey.settings.foreign:
        yield (
            f"environment: {', '.join(foreign)}: ignored, because a cluster seems to have set them; remove them with"
            " enableServiceLinks: false in the pod, or rename the Service"
        )


async def check_all(survey: Survey) -> list[CheckResult]:
    """Test whatever the settings allow, even if some of them are wrong."""
    settings, faulty = survey.settings, survey.faulty
    # The text of an error begins with the setting's name.
    results = [
        CheckResult(subject=subject, ok=False, detail=detail, configured=True)
        for subject, _, detail in (str(error).partition(": ") for error in survey.errors)
    ]
    if not results:
        detail = f"{counted(len(settings.connections), 'connection')} configured"
        results.append(CheckResult(subject="settings", ok=True, detail=detail))
    if "database" not in faulty:
        found = list(_database(settings, None if "security" in faulty else Vault(settings.security.secret_keys)))
        results += found
        if isinstance(settings.database.place, Secret) and found[0].ok:
            results.append(await _wakeups(settings.database))
    if "listener" not in faulty:
        results += [await _port(settings.listener), *_short_tokens(settings.listener)]
    if "notifications" not in faulty:
        receivers = {name: getattr(settings.notifications, name) for name in ("webhook_url", "slack_url")}
        results += [await _receiver(f"notifications.{name}", url) for name, url in receivers.items() if url]
    for link in settings.connections:
        results.append(await _platform(link, settings.listener.public_url))
        if "sparklayer" not in faulty:
            results.append(await _sparklayer(settings, link))
        if not faulty & {"listener", "database", "security"}:
            results.append(check_webhooks(settings, link))
    return results


def _database(settings: Settings, vault: Vault | None) -> Iterator[CheckResult]:
    place, path = settings.database.place, settings.database.shown
    subject = f"database {path}"
    try:
        if isinstance(place, Path):
            check_writable(place)
        contents = glance(place, vault) if isinstance(place, Secret) or place.exists() else Glance()
    except (ConfigError, StorageTrouble) as error:
        yield _failed(subject, error)
        return
    yield CheckResult(subject=subject, ok=True, detail="is writable")
    for warning in contents.warnings:
        yield CheckResult(subject=subject, ok=False, detail=warning)
    others = [name for name, config in contents.configs.items() if config != settings.shared_fingerprint]
    if others:
        detail = f"running nodes have different settings ({', '.join(sorted(others))}); give all nodes the same"
        yield CheckResult(subject="settings", ok=False, detail=detail)
    if contents.unreadable:
        yield CheckResult(
            subject="security.secret_keys",
            ok=False,
            detail=f"none of the keys decrypts {contents.unreadable} of {contents.encrypted} encrypted values in"
            f" {path}; add the earlier key to the list, after the new one",
            configured=True,
        )
    for index, link in enumerate(settings.connections):
        if contents.states.get(link.site) in {"leaving", "gone"}:
            remedy = f"connect it again: ignite-sync connect {link.site}, or remove the connection from the settings"
            detail = f"{link.site} was disconnected according to {path}, so nothing is synced; {remedy}"
            yield CheckResult(subject=f"connections[{index}].site_id", ok=False, detail=detail, configured=True)


def _failed(subject: str, error: ConfigError | StorageTrouble) -> CheckResult:
    detail = str(error).removeprefix(f"{subject}: ")
    return CheckResult(subject=subject, ok=False, detail=detail, configured=isinstance(error, ConfigError))


async def _wakeups(database: DatabaseSettings) -> CheckResult:
    """Try whether a node would hear others; everything works without, a second later."""
    try:
        heard = await arrives(Secret(database.url), database.listen_place)
    except (ConfigError, StorageTrouble) as error:
        return _failed("database.listen_url", error)
    if heard:
        return CheckResult(subject="wake-ups", ok=True, detail="what other nodes commit is heard at once")
    remedy = "behind a pooler in transaction mode, set database.listen_url to the server itself"
    return CheckResult(subject="wake-ups", ok=True, detail=f"what other nodes commit is seen after a second; {remedy}")


async def _port(listener: ListenerSettings) -> CheckResult:
    """Try to listen, as the daemon does. A running daemon of these settings may hold the port."""
    place = f"{listener.host}:{listener.port}"
    try:
        for opened in await trio.open_tcp_listeners(listener.port, host=listener.host):
            await opened.aclose()
    except OSError as error:
        if await trio.to_thread.run_sync(_is_ours, listener):
            return CheckResult(subject="listener.port", ok=True, detail=f"{place} is in use by the running daemon")
        detail = f"{place} cannot be used ({error.strerror}); choose another port, or stop the program that uses it"
        return CheckResult(subject="listener.port", ok=False, detail=detail, configured=True)
    return CheckResult(subject="listener.port", ok=True, detail=f"{place} is free")


def _short_tokens(listener: ListenerSettings) -> Iterator[CheckResult]:
    """Yield the operators' tokens that a patient caller can guess."""
    for holder in listener.operators:
        if len(holder.token.reveal()) < TOKEN_LENGTH:
            need = f"has fewer than {TOKEN_LENGTH} characters, so it can be guessed"
            detail = f"{need}; create one with: openssl rand -base64 32"
            setting = "admin_token" if holder.name == ADMIN else f"tokens[{holder.name}]"
            yield CheckResult(subject=f"listener.{setting}", ok=False, detail=detail)


async def _receiver(subject: str, url: Secret) -> CheckResult:
    """Try to reach a receiver, without a message: people would take it for a real one."""
    try:
        host = await reach(url.reveal())
    except Retry as error:
        remedy = REMEDIES.get(error.reason, "check the address and the network")
        return CheckResult(subject=subject, ok=False, detail=f"{str(error).rstrip('.')}; {remedy}")
    return CheckResult(subject=subject, ok=True, detail=f"{host} can be reached; nothing was sent")


def _is_ours(listener: ListenerSettings) -> bool:
    """Return True if the daemon of these settings has the port: it takes their token, or has none as they have none."""
    daemon = DaemonClient(listener, ANSWER_SECONDS)
    try:
        if listener.command_token is None:
            return daemon.lacks_token()
        daemon.call("GET /admin/status")
    except (UnreachableError, RefusedError):
        return False
    return True


async def _platform(link: ConnectionSettings, public_url: str | None) -> CheckResult:
    platform_type = load_platforms()[link.platform]

    async def ask() -> None:
        await _read_a_little(platform, platform_type)
        # A key that may only read syncs by sweeps, but registers no webhooks.
        if public_url is not None and platform_type.typed_keys is not None:
            await platform_type.typed_keys.attempt(link.store, None, ignore)

    async with aclosing(platform_type.connect(link.store, None, ignore, MemoryAdapterState())) as platform:
        return await _tried(f"{link.site} {platform_type.label}", ask, platform_type.remedies)


async def _read_a_little(platform: Platform, platform_type: PlatformType) -> None:
    """Read a little of each kind: a token may pass the probe and still lack scopes, which are all named."""
    await platform.probe()
    kinds = [kind for kind in SYNCED_KINDS if kind in platform_type.kinds]
    reads: list[tuple[Kind, Callable[[], Awaitable[object]]]] = [(Kind.STORE, platform.facts)]
    reads += [(kind, partial(platform.changed_since, kind, time.time(), None)) for kind in kinds]
    refused: dict[Kind, Blocked] = {}
    for kind, read in reads:
        try:
            await read()
        except Blocked as error:
            if error.reason not in MISSING_RIGHT:
                raise
            refused.setdefault(kind, error)
    if refused:
        first, *_ = refused.values()
        names = ", ".join(platform_type.rights.get(kind, kind.value) for kind in refused)
        raise Blocked(f"{first}; it needs the right to read: {names}", reason=first.reason, side=first.side)


async def _sparklayer(settings: Settings, link: ConnectionSettings) -> CheckResult:
    async with aclosing(site_client(settings, link.site, link.api_key, link.platform, ignore)) as client:
        return await _tried(f"{link.site} SparkLayer", client.probe)


def check_webhooks(settings: Settings, link: ConnectionSettings) -> CheckResult:
    """Report the address for webhooks, and their registration as the daemon last saw it."""
    platform, public_url = load_platforms()[link.platform], settings.listener.public_url
    subject = f"{link.site} webhooks"
    if public_url is None:
        without = "listener.public_url is not set, so none are registered; sweeps find changes, some only once a day"
        return CheckResult(subject=subject, ok=True, detail=without)
    fault = platform.public_url_fault(link.store, public_url)
    if fault is not None:
        return CheckResult(subject=subject, ok=False, detail=f"listener.public_url: {fault}")
    registration = registrations(settings.database.place).get(link.site)
    if registration is None:
        return CheckResult(subject=subject, ok=True, detail="not registered yet; the daemon does it when it starts")
    try:
        status = registration_status(registration, Vault(settings.security.secret_keys))
    except ConfigError as error:
        return _failed(subject, error)
    ok, destination = not (status["missing"] or status["trouble"]), status["destination"]
    if ok and destination not in {None, f"{public_url}{webhook_path(link.site)}"}:
        moved = f"registered at the earlier address {destination}; the daemon moves them at its next start"
        return CheckResult(subject=subject, ok=True, detail=moved)
    return CheckResult(subject=subject, ok=ok, detail=_described(status))


def _described(status: Mapping[str, Any]) -> str:
    """Describe a registration in one line."""
    at, missing = status["looked_at"], status["missing"]
    parts = [f"{status['registered']} registered, {'never checked' if at is None else f'checked {moment(at)}'}"]
    if status["trouble"]:
        parts.append(f"the registration cannot be read: {status['trouble']}")
    if missing:
        scopes = ", ".join(f"{webhook['scope']} ({webhook['why'] or 'not tried yet'})" for webhook in missing)
        parts.append(f"{len(missing)} missing: {scopes}; the running daemon tries again")
    return "; ".join(parts)


async def _tried(
    subject: str, probe: Callable[[], Awaitable[object]], own: Mapping[str, str] = NO_REMEDIES
) -> CheckResult:
    """Return the result of a call. A failure's remedy is the platform's `own` for its reason, or a general one."""
    try:
        await probe()
    except Failure as error:
        remedies = {**REMEDIES, **own}
        remedy = remedies.get(error.reason, "check the address and the network, then the service's status page")
        if isinstance(error, Blocked) and error.reason not in remedies:
            remedy = "give the account the missing right, or have its suspension lifted; see the message"
        return CheckResult(subject=subject, ok=False, detail=f"{str(error).rstrip('.')}; {remedy}")
    return CheckResult(subject=subject, ok=True, detail="answers and accepts the credentials")
