"""Delivers webhooks as BigCommerce does: signed, retried on a fixed schedule, and given up in the end.

A delivery carries the hook's own headers and the Standard Webhooks headers; the key is the
API account's client secret (bigcommerce.md section 12). What is not answered 2xx in time is sent again after the
waits of `RETRIES`, scaled by `time_scale`; after the last one the hook is deactivated. Nothing promises an order:
deliveries run side by side. Tests may also send by hand what a stranger or a stuttering platform would.
"""

import base64
import hashlib
import hmac
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Literal

import trio
from attrs import evolve, frozen

from daemon.sandbox.bigcommerce.events import Event
from daemon.sandbox.bigcommerce.hooks import Blocklist, Hook, Hooks
from daemon.sandbox.bigcommerce.store import Store
from daemon.sandbox.message import encode
from daemon.sandbox.post import REMEMBERED, Sender

STORE_ID = "1025646"
"""The number that webhooks carry; the hash names the store everywhere else."""

RETRIES = (60, 180, 300, 600, 900, 1800, 3600, 7200, 21_600, 50_400, 86_400)
"""Seconds to wait before each further attempt."""

TIMEOUT_SECONDS = 10.0
"""Seconds that an answer may take: not documented, so a guess. Not scaled."""

AT_ONCE = 50
"""Most deliveries under way at the same time."""

Signature = Literal["valid", "forged", "none"]


@frozen(kw_only=True)
class Delivery:
    """One attempt. `status` is None when no answer came."""

    hook: Hook
    event: Event
    message_id: str
    body: bytes
    attempt: int = 1
    status: int | None = None

    @property
    def accepted(self) -> bool:
        """True if the receiver took it: any 2xx."""
        return self.status is not None and 200 <= self.status < 300  # noqa: PLR2004  the 2xx class


class Webhooks(Sender):
    """The sender. `attempts` has the last ones, oldest first; `outstanding` counts deliveries not yet settled."""

    def __init__(
        self,
        store: Store,
        hooks: Hooks,
        blocklist: Blocklist,
        *,
        store_hash: str,
        client_secret: str,
        time_scale: float,
        retries: Sequence[float],
        nursery: trio.Nursery,
    ) -> None:
        super().__init__()
        self.attempts: deque[Delivery] = deque(maxlen=REMEMBERED)
        self.outstanding = 0
        self.time_scale = time_scale
        self._retries = retries
        self.as_in_examples = True
        """True if an envelope may name a scope that differs from the hook's, as the documentation's examples do."""
        self._store, self._hooks, self._hash = store, hooks, store_hash
        self._blocklist = blocklist
        self._key = client_secret.encode()
        self._nursery = nursery
        self._at_once = trio.CapacityLimiter(AT_ONCE)
        store.listen(self.announce)

    def announce(self, event: Event) -> None:
        """Start the delivery of `event` to every hook that hears it."""
        for hook in self._hooks.hearing(event):
            self.outstanding += 1
            self._nursery.start_soon(self._deliver, self.prepare(hook, event))

    def prepare(self, hook: Hook, event: Event) -> Delivery:
        """Write the message; its body stays the same however often it is sent."""
        envelope = {
            "scope": (self.as_in_examples and event.written) or event.scope,
            "store_id": STORE_ID,
            "data": dict(event.data),
            "hash": hashlib.sha1(encode(event.data), usedforsecurity=False).hexdigest(),
            "created_at": int(self._store.clock()),
            "producer": f"stores/{self._hash}",
        }
        return Delivery(hook=hook, event=event, message_id=f"msg_{uuid.uuid4().hex}", body=encode(envelope))

    async def send(
        self,
        delivery: Delivery,
        *,
        signature: Signature = "valid",
        headers: Mapping[str, str] | None = None,
        age: float = 0.0,
    ) -> Delivery:
        """Send once and return the attempt: a duplicate, a forgery, a message whose timestamp is `age` seconds old.

        `headers` replaces the hook's own.
        """
        own = delivery.hook.headers if headers is None else headers
        signed = {} if signature == "none" else self._sign(delivery, int(self._store.clock() - age), signature)
        status = await self._post(delivery.hook.destination, {**own, **signed}, delivery.body, TIMEOUT_SECONDS)
        attempt = evolve(delivery, status=status)
        self.attempts.append(attempt)
        return attempt

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            for number, wait in enumerate((0, *self._retries), start=1):
                await trio.sleep(wait * self.time_scale)
                if not self._hooks.active(delivery.hook):
                    return
                if self._blocklist.has(delivery.hook.destination):
                    continue
                async with self._at_once:
                    if (await self.send(evolve(delivery, attempt=number))).accepted:
                        return
            hook = delivery.hook
            hook.is_active, hook.deactivated = False, True
            data = {"type": "webhook", "id": hook.id, "error_code": 90002, "message": "The webhook was disabled."}
            self.announce(Event("store/hook/deliveryException", data))
        finally:
            self.outstanding -= 1
            self._wake()

    def _sign(self, delivery: Delivery, timestamp: int, kind: Signature) -> dict[str, str]:
        key = self._key if kind == "valid" else b"somebody else's key"
        content = b"%b.%d.%b" % (delivery.message_id.encode(), timestamp, delivery.body)
        digest = base64.b64encode(hmac.digest(key, content, "sha256")).decode()
        return {
            "webhook-id": delivery.message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": f"v1,{digest}",
        }
