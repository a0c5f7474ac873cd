"""Registers the webhooks of one connection, mends them, and removes them.

A hook is *ours* when it leads to our destination, or to another address that ends in our name,
`/webhooks/{env}/{site}`, and carries our secret, or at our host any secret of Ignite Sync (the daemon moved). The API
account may have hooks of other programs, and of other connections to the same store: those are never touched. What to
do is decided by `plan`, which is pure.

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
import trio
from attrs import define, field, frozen

from daemon.errors import Blocked, Failure, Missing, Rejected, Retry
from daemon.model import Lane, Secret
from daemon.platforms.base import Announce, Registration, tell_nobody
from daemon.platforms.bigcommerce.client import Client
from daemon.platforms.bigcommerce.refusal import SCOPE_MISSING
from daemon.platforms.bigcommerce.schema import HEALTH, HOOK, RAW_LISTING, Hook, decode
from daemon.platforms.bigcommerce.webhooks import KINDS, REGISTERED, SECRET_HEADER
from daemon.platforms.shared.second_look import listed_or_empty

PATH = "/v3/hooks"
HEALTH_PATH = "/v3/hooks/admin"
LIMIT = 250
NAME_PARTS = 3
MOST_IN_A_ROW = 3
"""Calls that fail for the moment, one after the other, before the rest is left for later."""

SHORT_WAIT = 30.0
"""Seconds: the longest wait asked for that is waited within one registering."""

log = structlog.get_logger()


@frozen(kw_only=True)
class Wanted:
    """Where our webhooks lead, and the secret they carry."""

    destination: str
    secret: Secret

    def is_ours(self, hook: Hook) -> bool:
        """Whether `hook` was registered by this connection, perhaps under an earlier address."""
        if hook.destination == self.destination:
            return True
        if _name(hook.destination) != _name(self.destination):
            return False
        secret, host = _secret_of(hook), urlsplit(self.destination).netloc
        # At our own host it is ours with an earlier secret too: of a lost database, or one that was changed.
        return secret == self.secret.reveal() or bool(secret and host and urlsplit(hook.destination).netloc == host)

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
    """What to create (scopes), to set right and to delete (hooks). `right` scopes are registered as they shall be."""

    right: Sequence[str] = ()
    create: Sequence[str] = ()
    mend: Sequence[Hook] = ()
    delete: Sequence[Hook] = ()

    def found(self) -> Registration:
        """Return how the registration was found."""
        wrong = [*self.create, *(hook.scope for hook in self.mend)]
        return Registration(
            registered=len(self.right),
            missing=dict.fromkeys(wrong, ""),
            kinds=frozenset(KINDS[scope] for scope in wrong),
            fresh=not (self.right or self.mend or self.delete),
        )


def plan(hooks: Iterable[Hook], wanted: Wanted) -> Plan:
    """Compare what is registered with what is wanted: one working hook for each scope. Pure."""
    ours: dict[str, list[Hook]] = {scope: [] for scope in REGISTERED}
    left: list[Hook] = []
    for hook in hooks:
        if wanted.is_ours(hook):
            # Somebody may have registered more scopes than we want, but only where we listen now.
            kept = hook.scope in ours or hook.destination == wanted.destination
            (ours.setdefault(hook.scope, []) if kept else left).append(hook)
    # The hook that leads to the destination stays: another could not be moved there beside it.
    ranked = {s: sorted(ours[s], key=lambda h: h.destination != wanted.destination) for s in REGISTERED}
    first = {scope: found[0] for scope, found in ranked.items() if found}
    return Plan(
        right=[scope for scope, hook in first.items() if wanted.is_right(hook)],
        create=[scope for scope in REGISTERED if scope not in first],
        mend=[hook for hook in first.values() if not wanted.is_right(hook)],
        delete=[*(hook for found in ranked.values() for hook in found[1:]), *left],
    )


async def ensure(client: Client, wanted: Wanted, announce: Announce = tell_nobody) -> Registration:
    """Carry out the plan, and tell how the webhooks are registered then.

    A call that fails keeps no scope from its hook but its own; three in a row that fail for the moment, a failure that
    concerns all, and a long wait that is asked for, end it. Raises the failures of the list of hooks.
    """
    todo = plan(await _registered(client), wanted)
    found = todo.found()
    calls = list(_calls(client, todo, wanted))
    if calls:
        await announce(found)
    work = _Work(missing=dict(found.missing))
    for scope, call in calls:
        await work.carry_out(scope, call)
        if work.is_over:
            break
    if not work.is_over:
        try:
            await _report_block(client, wanted)
        except Blocked as error:
            work.failure = error
    return Registration(
        registered=len(REGISTERED) - len(work.missing),
        missing=work.missing,
        kinds=frozenset(KINDS[scope] for scope in work.touched & found.missing.keys()),
        mended=work.done,
        fresh=found.fresh,
        failure=work.failure,
    )


@define(kw_only=True)
class _Work:
    """Carries out calls one after the other, and keeps what came of them."""

    missing: dict[str, str]
    touched: set[str] = field(factory=set)
    done: int = 0
    failure: Failure | None = None
    _in_a_row: int = 0

    @property
    def is_over(self) -> bool:
        """Whether no further call is of use now."""
        error = self.failure
        return self._in_a_row >= MOST_IN_A_ROW or isinstance(error, Blocked) or _asks_for_long(error)

    async def carry_out(self, scope: str, call: Callable[[], Awaitable[None]]) -> None:
        """Make a call, and a second time after a short wait that was asked for."""
        try:
            try:
                await call()
            except Retry as error:
                if error.after is None or error.effect_unknown or _asks_for_long(error):
                    raise
                await trio.sleep(error.after)
                await call()
        except (Retry, Rejected, Blocked) as error:
            self._fail(scope, error)
        else:
            self._in_a_row = 0
            self.done += 1
            self.touched.add(scope)
            self.missing.pop(scope, None)

    def _fail(self, scope: str, error: Failure) -> None:
        if scope in self.missing:
            self.missing[scope] = str(error)
        else:
            log.warning("a webhook at an earlier address cannot be removed", scope=scope, reason=error.reason)
        if isinstance(error, Missing):  # somebody has removed the hook since it was listed
            error = Retry(str(error), reason=error.reason)
        self._in_a_row = self._in_a_row + 1 if isinstance(error, Retry) else 0
        if isinstance(error, Retry) and error.effect_unknown:
            self.touched.add(scope)
        if isinstance(error, Retry) or (isinstance(error, Blocked) and error.reason != SCOPE_MISSING):
            self.failure = error


def _asks_for_long(error: Failure | None) -> bool:
    return isinstance(error, Retry) and (error.after or 0.0) > SHORT_WAIT


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


def _name(destination: str) -> list[str]:
    """Return what a destination ends in: our route and the connection's name, whatever stands before them."""
    return urlsplit(destination).path.split("/")[-NAME_PARTS:]


def _secret_of(hook: Hook) -> str | None:
    """Return the value of our header; None when the API shows no headers, "" without ours."""
    if hook.headers is None:
        return None
    shown = {name.lower(): value for name, value in hook.headers.items()}
    return shown.get(SECRET_HEADER.lower(), "")
