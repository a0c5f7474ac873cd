"""Registers, repairs and removes the webhooks of one connection.

A hook is *ours* if it leads to our destination. It is also ours if it leads to another address that ends in our name,
`/webhooks/{env}/{site}`, and carries our secret; at our own host, any secret of Ignite Sync will do (the daemon moved).
The API account may have hooks of other programs and of other connections to the same store: those are never touched.
`plan`, which is pure, decides what to change.

BigCommerce accepts only https on port 443, and needs up to a minute before a new hook works. It deactivates a hook
after two days of failures, or 90 days without events (contract section 12). It blocks a domain that fails too often for
some minutes; that passes by itself and is only logged.
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
from daemon.platforms.bigcommerce.schema import HEALTH, HOOK, RAW_LISTING, Hook
from daemon.platforms.bigcommerce.webhooks import KINDS, REGISTERED, SECRET_HEADER
from daemon.platforms.shared.rows import decode
from daemon.platforms.shared.second_look import delete_listed

PATH = "/v3/hooks"
HEALTH_PATH = "/v3/hooks/admin"
LIMIT = 250
NAME_PARTS = 3
MOST_IN_A_ROW = 3
"""Temporary failures in a row after which the other calls are left for later."""

SHORT_WAIT = 30.0
"""Longest wait, in seconds, that BigCommerce may ask for within one registration."""

log = structlog.get_logger()


@frozen(kw_only=True)
class Wanted:
    """Destination of our webhooks, and the secret they carry."""

    destination: str
    secret: Secret

    def is_ours(self, hook: Hook) -> bool:
        """Return True if this connection registered `hook`, perhaps with an earlier address."""
        if hook.destination == self.destination:
            return True
        if _name(hook.destination) != _name(self.destination):
            return False
        secret, host = _secret_of(hook), urlsplit(self.destination).netloc
        # A lost database or a changed setting leaves hooks with an earlier secret at our own host.
        return secret == self.secret.reveal() or bool(secret and host and urlsplit(hook.destination).netloc == host)

    def is_right(self, hook: Hook) -> bool:
        """Return True if `hook` needs no change. Headers that the API does not show are assumed to be right."""
        secret = _secret_of(hook)
        carries = secret is None or secret == self.secret.reveal()
        return hook.is_active and hook.destination == self.destination and carries

    def is_at(self, domain: str) -> bool:
        """Return True if a domain, or the domain of a URL, is ours."""
        return (urlsplit(domain).hostname or domain.lower()) == urlsplit(self.destination).hostname

    def body(self, scope: str) -> dict[str, object]:
        """Return the request body that registers `scope`."""
        headers = {SECRET_HEADER: self.secret.reveal()}
        return {"scope": scope, "destination": self.destination, "is_active": True, "headers": headers}


@frozen(kw_only=True)
class Plan:
    """Scopes to create, hooks to `mend` and to delete. The scopes in `right` need no change."""

    right: Sequence[str] = ()
    create: Sequence[str] = ()
    mend: Sequence[Hook] = ()
    delete: Sequence[Hook] = ()

    def found(self) -> Registration:
        """Return the registration before any change."""
        wrong = [*self.create, *(hook.scope for hook in self.mend)]
        return Registration(
            registered=len(self.right),
            missing=dict.fromkeys(wrong, ""),
            kinds=frozenset(KINDS[scope] for scope in wrong),
            switched_off=frozenset(hook.scope for hook in self.mend if not hook.is_active),
            fresh=not (self.right or self.mend or self.delete),
        )


def plan(hooks: Iterable[Hook], wanted: Wanted) -> Plan:
    """Compare the registered hooks with the wanted ones: one working hook for each scope. Pure."""
    ours: dict[str, list[Hook]] = {scope: [] for scope in REGISTERED}
    left: list[Hook] = []
    for hook in hooks:
        if wanted.is_ours(hook):
            # A person may have added scopes by hand; they stay if they lead to our present destination.
            kept = hook.scope in ours or hook.destination == wanted.destination
            (ours.setdefault(hook.scope, []) if kept else left).append(hook)
    # The hook at the destination stays, because a second one could not be moved there.
    ranked = {s: sorted(ours[s], key=lambda h: h.destination != wanted.destination) for s in REGISTERED}
    first = {scope: found[0] for scope, found in ranked.items() if found}
    return Plan(
        right=[scope for scope, hook in first.items() if wanted.is_right(hook)],
        create=[scope for scope in REGISTERED if scope not in first],
        mend=[hook for hook in first.values() if not wanted.is_right(hook)],
        delete=[*(hook for found in ranked.values() for hook in found[1:]), *left],
    )


async def ensure(client: Client, wanted: Wanted, announce: Announce = tell_nobody) -> Registration:
    """Carry out the plan and return the registration afterwards.

    A failed call leaves only its own scope unregistered. Three temporary failures in a row, a failure of the whole
    connection, or a long requested wait end the work. Raises the failures of the list of hooks.
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
        made=frozenset(todo.create) - work.missing.keys(),
        switched_off=found.switched_off,
        fresh=found.fresh,
        failure=work.failure,
    )


@define(kw_only=True)
class _Work:
    """Makes calls one after the other and keeps their results."""

    missing: dict[str, str]
    touched: set[str] = field(factory=set)
    done: int = 0
    failure: Failure | None = None
    _in_a_row: int = 0

    @property
    def is_over(self) -> bool:
        """True if a further call is pointless now."""
        error = self.failure
        return self._in_a_row >= MOST_IN_A_ROW or isinstance(error, Blocked) or _asks_for_long(error)

    async def carry_out(self, scope: str | None, call: Callable[[], Awaitable[None]]) -> None:
        """Make a call that registers `scope`, or none; repeat it once if BigCommerce asks for a short wait."""
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
            if scope is not None:
                self.touched.add(scope)
                del self.missing[scope]

    def _fail(self, scope: str | None, error: Failure) -> None:
        if scope is not None:
            self.missing[scope] = str(error)
        else:
            log.warning("webhook at an earlier address not removed", reason=error.reason)
        if isinstance(error, Missing):  # the hook was removed after it was listed
            error = Retry(str(error), reason=error.reason)
        self._in_a_row = self._in_a_row + 1 if isinstance(error, Retry) else 0
        if isinstance(error, Retry) and error.effect_unknown and scope is not None:
            self.touched.add(scope)
        if isinstance(error, Retry) or (isinstance(error, Blocked) and error.reason != SCOPE_MISSING):
            self.failure = error


def _asks_for_long(error: Failure | None) -> bool:
    return isinstance(error, Retry) and (error.after or 0.0) > SHORT_WAIT


def _calls(client: Client, todo: Plan, wanted: Wanted) -> Iterator[tuple[str | None, Callable[[], Awaitable[None]]]]:
    """Yield the plan's calls, each with the scope that it registers."""
    for hook in todo.delete:
        # A scope whose second hook is deleted is not registered by that: its first one may have to be mended yet.
        yield None, partial(_delete, client, hook)
    write = partial(client.write, lane=Lane.LIVE)
    for hook in todo.mend:
        yield hook.scope, partial(write, "PUT", f"{PATH}/{hook.id}", body=wanted.body(hook.scope))
    for scope in todo.create:
        yield scope, partial(write, "POST", PATH, body=wanted.body(scope))


async def _report_block(client: Client, wanted: Wanted) -> None:
    """Log how long BigCommerce blocks our domain, if it does. A failed call is ignored."""
    try:
        health = await client.get(HEALTH_PATH, HEALTH, lane=Lane.LIVE)
    except (Rejected, Retry):
        return
    except Blocked as error:
        if error.reason != SCOPE_MISSING:
            raise
        return
    left = [domain.time_left for domain in health.data.blocked_domains or () if wanted.is_at(domain.destination)]
    if left:
        log.warning("webhooks blocked by BigCommerce, sweeps catch up", seconds_left=max(left))


async def remove(client: Client, wanted: Wanted) -> None:
    """Delete all our hooks, wherever they lead. An empty list of hooks counts only if it comes twice."""

    async def ours() -> list[Hook]:
        return [hook for hook in await _registered(client) if wanted.is_ours(hook)]

    await delete_listed(ours, partial(_delete, client))


async def _registered(client: Client) -> list[Hook]:
    """Return the registered hooks, without unreadable rows."""
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
    """Return the end of a destination: our route and the connection's name."""
    return urlsplit(destination).path.split("/")[-NAME_PARTS:]


def _secret_of(hook: Hook) -> str | None:
    """Return the value of our header; None if the API shows no headers, "" if ours is missing."""
    if hook.headers is None:
        return None
    shown = {name.lower(): value for name, value in hook.headers.items()}
    return shown.get(SECRET_HEADER.lower(), "")
