"""The webhooks of one connection at WooCommerce: which are ours, and the calls that change them.

A webhook is *ours* if its name begins with ours and its address ends in the connection's path,
`/webhooks/{env}/{site}`. The shop never shows a secret, so the name ends in a fingerprint of it. One call makes and
repairs all.

Seven failures in a row make WooCommerce switch a webhook off; what it missed is never sent (woocommerce.md,
Webhooks 5). Switched on again, it keeps its count of failures until the first success.
"""

import hashlib
import hmac
from contextlib import suppress
from typing import Any

import msgspec
import structlog
from msgspec import Raw

from daemon.errors import Blocked, Missing, Rejected, Retry
from daemon.model import Lane
from daemon.platforms.shared import hooks
from daemon.platforms.shared.hooks import HookRegister, Plan, Work, connection_of, may_pass
from daemon.platforms.shared.page_size import PageSize
from daemon.platforms.shared.rows import Shape
from daemon.platforms.woocommerce.client import Client
from daemon.platforms.woocommerce.walk import asks_for, step
from daemon.platforms.woocommerce.webhooks import TOPICS

PATH = "/webhooks"
LIMIT = 100
NAME = "Ignite Sync"
DIGITS = 8
"""Digits of the secret's fingerprint: enough to notice another secret, too few to find it by."""

ACTIVE, DISABLED = "active", "disabled"

log = structlog.get_logger()


class Hook(hooks.Hook, frozen=True, kw_only=True):
    """A registered webhook; its secret is never shown."""

    scope: str = msgspec.field(name="topic")
    destination: str = msgspec.field(name="delivery_url")
    name: str
    status: str


FIELDS = ",".join(Hook.__struct_encode_fields__)
_HOOK = Shape(Hook)


class WooCommerceHooks(HookRegister[Client, Hook]):
    """The webhooks of one connection. Our secret signs their deliveries."""

    kinds = TOPICS

    def is_ours(self, hook: Hook) -> bool:
        """Return True if this connection registered `hook`, perhaps with an earlier address or secret."""
        return hook.name.startswith(NAME) and connection_of(hook.destination) == connection_of(self.destination)

    def is_right(self, hook: Hook) -> bool:
        """Return True if `hook` needs no change."""
        named = hook.name == self._name(hook.scope)
        return named and hook.status == ACTIVE and hook.destination == self.destination

    def is_switched_off(self, hook: Hook) -> bool:
        """Return True if WooCommerce has disabled it."""
        return hook.status == DISABLED

    async def registered(self) -> list[Hook]:
        """Return the registered webhooks, whatever their status, without unreadable rows."""
        rows: list[Raw] = []
        ask = asks_for(self._client, PATH, {"_fields": FIELDS}, Lane.LIVE)
        cursor: str | None = ""
        while cursor is not None:
            found = await step(ask, cursor, PageSize(LIMIT))
            rows += found.rows
            cursor = found.cursor
        return [hook for hook in map(_HOOK.read, rows) if isinstance(hook, Hook)]

    async def delete(self, hook: Hook) -> None:
        """Delete a webhook."""
        with suppress(Missing):
            await self._client.write("DELETE", f"{PATH}/{hook.id}", lane=Lane.LIVE, query={"force": "true"})

    async def carry_out(self, plan: Plan[Hook], work: Work) -> None:
        """Create and repair in one call, then delete, unless that call is worth another attempt."""
        if plan.wrong:
            try:
                work.missing = await self._write(plan)
                work.touched.update(plan.wrong)
                work.touched -= work.missing.keys()
                work.mended = len(work.touched)
            except (Retry, Rejected, Blocked) as error:
                work.missing = dict.fromkeys(plan.wrong, str(error))
                if may_pass(error):
                    work.failure = error
                if isinstance(error, Retry) and error.effect_unknown:
                    work.touched.update(plan.wrong)
        for hook in plan.delete if work.failure is None else ():
            try:
                await self.delete(hook)
                work.mended += 1
            except (Retry, Rejected, Blocked) as error:
                log.warning("webhook not removed", reason=error.reason)
                if may_pass(error):
                    work.failure = work.failure or error

    async def _write(self, plan: Plan[Hook]) -> dict[str, str]:
        """Create and repair in one call; return the topics that failed, with WooCommerce's words."""
        parts = {
            "create": [self._body(topic) for topic in plan.create],
            "update": [{"id": hook.id, **self._body(hook.scope)} for hook in plan.mend],
        }
        content = {name: part for name, part in parts.items() if part}
        answer = await self._client.write("POST", f"{PATH}/batch", lane=Lane.LIVE, body=content)
        missing = {}
        for name, part in parts.items():
            rows = answer.get(name, [])
            if not isinstance(rows, list) or len(rows) != len(part):
                raise Retry("WooCommerce's answer about webhooks is incomplete", reason="unexpected_shape")
            for body, row in zip(part, rows, strict=True):
                words = _refused(row)
                if words is not None:
                    missing[str(body["topic"])] = words
        return missing

    def _body(self, topic: str) -> dict[str, Any]:
        """Return the part of a request that registers a topic."""
        return {
            "name": self._name(topic),
            "topic": topic,
            "status": ACTIVE,
            "delivery_url": self.destination,
            "secret": self.secret.reveal(),
        }

    def _name(self, topic: str) -> str:
        """Return the name of our webhook for a topic."""
        digest = hmac.new(self.secret.reveal().encode(), b"name of a webhook", hashlib.sha256).hexdigest()
        return f"{NAME} {topic} {digest[:DIGITS]}"


def _refused(row: Any) -> str | None:
    """Return WooCommerce's words if it refused one part of a call, else None."""
    error = row.get("error") if isinstance(row, dict) else {}
    if error is None:
        return None
    words = error.get("message") if isinstance(error, dict) else None
    return words if isinstance(words, str) else "WooCommerce did not say why"
