"""Registers the webhooks of one connection, mends them, and removes them.

A hook is *ours* when it leads to our destination, or carries our secret to the same path on another host (the
daemon moved). The API account may have hooks of other programs, and of other connections to the same store:
those are never touched. What to do is decided by `plan`, which is pure.

BigCommerce takes only https on port 443, and needs up to a minute before a new hook works; it deactivates a
hook after two days of failures, or 90 days without events (contract section 12). A domain that fails too often is
blocked for some minutes; that passes by itself, and so is only reported.
"""

import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import partial
from urllib.parse import urlsplit

import msgspec
import structlog
from attrs import frozen

from daemon.errors import Blocked, Failure, Missing, Rejected, Retry
from daemon.model import Lane, Secret
from daemon.platforms.bigcommerce.client import Client
from daemon.platforms.bigcommerce.refusal import SCOPE_MISSING
from daemon.platforms.bigcommerce.webhooks import REGISTERED, SECRET_HEADER
from daemon.platforms.bigcommerce.wire import HEALTH, HOOK, RAW_LISTING, Hook, decode
from daemon.platforms.second_look import listed_or_empty

PATH = "/v3/hooks"
HEALTH_PATH = "/v3/hooks/admin"
LIMIT = 250

log = structlog.get_logger()


@frozen(kw_only=True)
class Wanted:
    """Where our webhooks lead, and the secret they carry."""

    destination: str
    secret: Secret

    def is_ours(self, hook: Hook) -> bool:
        """Whether `hook` was registered by this connection, perhaps under another host name."""
        if hook.destination == self.destination:
            return True
        same_path = urlsplit(hook.destination).path == urlsplit(self.destination).path
        return same_path and _secret_of(hook) == self.secret.reveal()

    def is_right(self, hook: Hook) -> bool:
        """Whether `hook` works as it is. Headers that the API does not show are trusted."""
        secret = _secret_of(hook)
        carries = secret is None or secret == self.secret.reveal()
        return hook.is_active and hook.destination == self.destination and carries

    def is_at(self, domain: str) -> bool:
        """Whether a domain, or a URL of one, is ours."""
        return (urlsplit(domain).hostname or domain.lower()) == urlsplit(self.destination).hostname

    def body(self, scope: str) -> dict[str, object]:
        """Return what to register for `scope`."""
        headers = {SECRET_HEADER: self.secret.reveal()}
        return {"scope": scope, "destination": self.destination, "is_active": True, "headers": headers}


@frozen(kw_only=True)
class Plan:
    """What to create (scopes), to set right and to delete (hooks)."""

    create: Sequence[str] = ()
    mend: Sequence[Hook] = ()
    delete: Sequence[Hook] = ()


def plan(hooks: Iterable[Hook], wanted: Wanted) -> Plan:
    """Compare what is registered with what is wanted: one working hook for each scope. Pure."""
    ours: dict[str, list[Hook]] = {scope: [] for scope in REGISTERED}
    for hook in hooks:
        if hook.scope in ours and wanted.is_ours(hook):
            ours[hook.scope].append(hook)
    # The hook that leads to the destination stays: another could not be moved there beside it.
    ranked = {s: sorted(found, key=lambda h: h.destination != wanted.destination) for s, found in ours.items()}
    return Plan(
        create=[scope for scope, found in ranked.items() if not found],
        mend=[found[0] for found in ranked.values() if found and not wanted.is_right(found[0])],
        delete=[hook for found in ranked.values() for hook in found[1:]],
    )


async def ensure(client: Client, wanted: Wanted) -> int:
    """Carry out the plan and return how many hooks had to be created, mended or deleted.

    A scope that is refused keeps no other from its hook. Raises Rejected "hooks_refused", which names those scopes,
    when everything was tried; Retry, and Blocked for what concerns them all, at once.
    """
    todo = plan(await _registered(client), wanted)
    calls = list(_calls(client, todo, wanted))
    refused: dict[str, Failure] = {}
    for scope, call in calls:
        try:
            await call()
        except Rejected as error:
            refused[scope] = error
        except Blocked as error:
            if error.reason != SCOPE_MISSING:
                raise
            refused[scope] = error
    await _report_block(client, wanted)
    if refused:
        words = "; ".join(f"{scope}: {error}" for scope, error in refused.items())
        raise Rejected(f"BigCommerce refuses webhooks: {words}", reason="hooks_refused")
    return len(calls)


def _calls(client: Client, todo: Plan, wanted: Wanted) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
    """Yield the plan's calls, each with its scope."""
    for hook in todo.delete:
        yield hook.scope, partial(_delete, client, hook)
    write = partial(client.write, lane=Lane.LIVE)
    for hook in todo.mend:
        yield hook.scope, partial(write, "PUT", f"{PATH}/{hook.id}", body=wanted.body(hook.scope))
    for scope in todo.create:
        yield scope, partial(write, "POST", PATH, body=wanted.body(scope))


async def _report_block(client: Client, wanted: Wanted) -> None:
    """Log how long BigCommerce sends our domain nothing, if so. An answer that cannot be had stops nothing."""
    try:
        health = await client.get(HEALTH_PATH, HEALTH, lane=Lane.LIVE)
    except (Rejected, Retry):
        return
    except Blocked as error:
        if error.reason != SCOPE_MISSING:
            raise
        return
    left = [one.time_left for one in health.data.blocked_domains or () if wanted.is_at(one.destination)]
    if left:
        log.warning("BigCommerce has blocked our domain; sweeps catch up", seconds_left=max(left))


async def remove(client: Client, wanted: Wanted) -> None:
    """Delete every hook of ours, wherever it leads. That none is registered takes two answers."""
    for hook in await listed_or_empty(partial(_registered, client)):
        if wanted.is_ours(hook):
            await _delete(client, hook)


async def _registered(client: Client) -> list[Hook]:
    """Return what is registered; a row that cannot be read is left out, it keeps no other from being mended."""
    found = []
    for raw in await client.every(PATH, RAW_LISTING, lane=Lane.LIVE, limit=LIMIT):
        with contextlib.suppress(msgspec.DecodeError):
            found.append(decode(raw, HOOK))
    return found


async def _delete(client: Client, hook: Hook) -> None:
    try:
        await client.write("DELETE", f"{PATH}/{hook.id}", lane=Lane.LIVE)
    except Missing:
        return


def _secret_of(hook: Hook) -> str | None:
    """Return the value of our header; None when the API shows no headers, "" without ours."""
    if hook.headers is None:
        return None
    shown = {name.lower(): value for name, value in hook.headers.items()}
    return shown.get(SECRET_HEADER.lower(), "")
