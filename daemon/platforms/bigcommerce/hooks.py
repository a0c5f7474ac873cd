"""The webhooks of one connection at BigCommerce: which are ours, and the calls that change them.

A hook is *ours* if it leads to our destination. It is also ours if it leads to another address that ends in our name,
`/webhooks/{env}/{site}`, and carries our secret; at our own host, any secret of Ignite Sync will do (the daemon moved).

BigCommerce accepts only https on port 443, and needs up to a minute before a new hook works. It deactivates a hook
after two days of failures, or 90 days without events (contract section 12). It blocks a domain that fails too often for
some minutes; that passes by itself and is only logged.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial
from urllib.parse import urlsplit

import structlog
import trio
from msgspec import Struct
from msgspec.json import Decoder

from daemon.errors import Blocked, Missing, Rejected, Retry
from daemon.model import Lane
from daemon.platforms.bigcommerce.client import Client
from daemon.platforms.bigcommerce.schema import LARGEST_PAGE, RAW_LISTING, Single
from daemon.platforms.bigcommerce.webhooks import KINDS, SECRET_HEADER
from daemon.platforms.shared import hooks
from daemon.platforms.shared.client import SCOPE_MISSING
from daemon.platforms.shared.hooks import HookRegister, Plan, Work, connection_of, may_pass
from daemon.platforms.shared.rows import readable

PATH = "/v3/hooks"
MOST_IN_A_ROW = 3
"""Temporary failures in a row after which the other calls are left for later."""

SHORT_WAIT = 30.0
"""Longest wait, in seconds, that BigCommerce may ask for within one registration."""

log = structlog.get_logger()


class Hook(hooks.Hook, frozen=True):
    """A registered webhook. `headers` is None if the API does not show them."""

    is_active: bool = False
    headers: dict[str, str] | None = None

    def __repr__(self) -> str:
        return f"Hook({self.id}, {self.scope!r})"  # the headers have our secret

    @property
    def secret(self) -> str | None:
        """The value of our header; None if the API shows no headers, "" if ours is missing."""
        if self.headers is None:
            return None
        return {name.lower(): value for name, value in self.headers.items()}.get(SECRET_HEADER.lower(), "")


class _BlockedDomain(Struct, frozen=True):
    """A domain that BigCommerce has blocked for `time_left` more seconds."""

    destination: str = ""
    time_left: float = 0.0


class _Health(Struct, frozen=True):
    """The answer of GET /v3/hooks/admin, except the hooks themselves (the shape is inferred)."""

    blocked_domains: list[_BlockedDomain] | None = None


_HOOK, _HEALTH = Decoder(Hook), Decoder(Single[_Health])


class BigCommerceHooks(HookRegister[Client, Hook]):
    """The hooks of one connection. They carry our secret in a header."""

    kinds = KINDS

    def is_ours(self, hook: Hook) -> bool:
        """Return True if this connection registered `hook`, perhaps with an earlier address."""
        if hook.destination == self.destination:
            return True
        if connection_of(hook.destination) != connection_of(self.destination):
            return False
        host = urlsplit(self.destination).netloc
        # A lost database or a changed setting leaves hooks with an earlier secret at our own host.
        at_our_host = bool(hook.secret and host and urlsplit(hook.destination).netloc == host)
        return hook.secret == self.secret.reveal() or at_our_host

    def is_right(self, hook: Hook) -> bool:
        """Return True if `hook` needs no change. Headers that the API does not show are assumed to be right."""
        carries = hook.secret in {None, self.secret.reveal()}
        return hook.is_active and hook.destination == self.destination and carries

    def may_stay(self, hook: Hook) -> bool:
        """Return True for a scope that a person may have added by hand, if it leads to our present destination."""
        return hook.destination == self.destination

    def is_switched_off(self, hook: Hook) -> bool:
        """Return True if BigCommerce has deactivated it."""
        return not hook.is_active

    async def registered(self) -> list[Hook]:
        """Return the registered hooks, without unreadable rows."""
        return readable(await self._client.every(PATH, RAW_LISTING, lane=Lane.LIVE, limit=LARGEST_PAGE), _HOOK)

    async def delete(self, hook: Hook) -> None:
        """Delete a hook."""
        with suppress(Missing):
            await self._client.write("DELETE", f"{PATH}/{hook.id}", lane=Lane.LIVE)

    async def carry_out(self, plan: Plan[Hook], work: Work) -> None:
        """Make one call for each change. A failed call leaves only its own scope unregistered.

        Three temporary failures in a row, a failure of the whole connection, or a long requested wait end the work.
        """
        in_a_row = 0
        for scope, call in self._calls(plan):
            try:
                await _with_a_short_wait(call)
            except (Retry, Rejected, Blocked) as error:
                _note_failure(work, scope, error)
                in_a_row = in_a_row + 1 if isinstance(error, Retry | Missing) else 0
                if in_a_row >= MOST_IN_A_ROW or isinstance(work.failure, Blocked) or _asks_for_long(error):
                    return
                continue
            in_a_row = 0
            work.mended += 1
            if scope is not None:
                work.touched.add(scope)
                del work.missing[scope]
        try:
            await self._report_block()
        except Blocked as error:
            work.failure = error

    def _calls(self, plan: Plan[Hook]) -> Iterator[tuple[str | None, Callable[[], Awaitable[None]]]]:
        """Yield the plan's calls, each with the scope that it registers."""
        for hook in plan.delete:
            # A scope whose second hook is deleted is not registered by that: its first one may have to be mended yet.
            yield None, partial(self.delete, hook)
        write = partial(self._client.write, lane=Lane.LIVE)
        for hook in plan.mend:
            yield hook.scope, partial(write, "PUT", f"{PATH}/{hook.id}", body=self._body(hook.scope))
        for scope in plan.create:
            yield scope, partial(write, "POST", PATH, body=self._body(scope))

    def _body(self, scope: str) -> dict[str, object]:
        """Return the request body that registers `scope`."""
        headers = {SECRET_HEADER: self.secret.reveal()}
        return {"scope": scope, "destination": self.destination, "is_active": True, "headers": headers}

    async def _report_block(self) -> None:
        """Log how long BigCommerce blocks our domain, if it does. A failed call is ignored."""
        try:
            health = await self._client.get(f"{PATH}/admin", _HEALTH, lane=Lane.LIVE)
        except (Rejected, Retry):
            return
        except Blocked as error:
            if error.reason != SCOPE_MISSING:
                raise
            return
        ours = urlsplit(self.destination).hostname
        domains = health.data.blocked_domains or ()
        left = [domain.time_left for domain in domains if _host_of(domain.destination) == ours]
        if left:
            log.warning("webhooks blocked by BigCommerce, sweeps catch up", seconds_left=max(left))


async def _with_a_short_wait(call: Callable[[], Awaitable[None]]) -> None:
    """Make a call; repeat it once if BigCommerce asks for a short wait."""
    try:
        await call()
    except Retry as error:
        if error.after is None or error.effect_unknown or _asks_for_long(error):
            raise
        await trio.sleep(error.after)
        await call()


def _note_failure(work: Work, scope: str | None, error: Retry | Rejected | Blocked) -> None:
    """Note the failure of a call that registers `scope`, or none."""
    if scope is not None:
        work.missing[scope] = str(error)
    else:
        log.warning("webhook at an earlier address not removed", reason=error.reason)
    if isinstance(error, Missing):  # the hook was removed after it was listed
        work.failure = Retry(str(error), reason=error.reason)
    elif may_pass(error):
        work.failure = error
    if isinstance(error, Retry) and error.effect_unknown and scope is not None:
        work.touched.add(scope)


def _asks_for_long(error: Retry | Rejected | Blocked) -> bool:
    return isinstance(error, Retry) and (error.after or 0.0) > SHORT_WAIT


def _host_of(domain: str) -> str:
    """Return the host of a domain, or of a URL."""
    return urlsplit(domain).hostname or domain.lower()
