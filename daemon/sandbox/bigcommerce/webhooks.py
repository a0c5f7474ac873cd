"""Webhooks: their registry below `/v3/hooks`, and their delivery (bigcommerce.md section 12).

At most ten hooks per scope, and one per scope and destination. The real API takes only https on port 443; the
sandbox delivers in clear to its own machine, so it takes only http to loopback, and refuses the rest.

A delivery carries the hook's own headers and the Standard Webhooks headers; the key is the API account's client secret.
What is not answered 2xx in time is sent again after the waits of `RETRIES`, scaled by `time_scale`; after the last one
the hook is deactivated. Nothing promises an order: deliveries run side by side. Tests may also send by hand what a
stranger or a stuttering platform would.

Too few deliveries taken block a domain for a while. The sandbox blocks on request only. What would be sent meanwhile
goes to the retry queue: the narrower of the two readings that BigCommerce's pages allow.
"""

import base64
import hashlib
import hmac
import ipaddress
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
import trio
from attrs import evolve, frozen

from daemon.sandbox.bigcommerce.answers import Parameters, invalid, v3
from daemon.sandbox.bigcommerce.events import SCOPES, Event, matches
from daemon.sandbox.bigcommerce.store import Store
from daemon.sandbox.message import Refused, Request, Response, encode, json, route
from daemon.sandbox.post import REMEMBERED, Sender
from daemon.sandbox.record import Record, record

BLOCKED_SECONDS = 180.0
"""Seconds for which a domain stays blocked."""


class Blocklist:
    """The blocked domains; `time_scale` shortens the blocks."""

    def __init__(self, time_scale: float) -> None:
        self._scale = time_scale
        self._until: dict[str, float] = {}

    def block(self, domain: str) -> None:
        """Send nothing to `domain` for three minutes, scaled."""
        self._until[domain] = trio.current_time() + BLOCKED_SECONDS * self._scale

    def has(self, destination: str) -> bool:
        """Return true if the domain of a URL is blocked, with all its paths."""
        return self._left(urlsplit(destination).hostname or "") > 0

    def shown(self) -> list[dict[str, Any]]:
        """Return the list for `GET /v3/hooks/admin`. The unit of `time_left` and the reasons are inferred."""
        reasons = ["Success rate below 90 % in the last two minutes"]
        blocked = {domain: self._left(domain) for domain in self._until}
        return [{"destination": at, "time_left": left, "reasons": reasons} for at, left in blocked.items() if left > 0]

    def _left(self, domain: str) -> float:
        return self._until.get(domain, 0.0) - trio.current_time()


MOST_PER_SCOPE = 10
EMAILS = ("owner@example.com",)
"""E-mail addresses that are notified when a hook is switched off."""


class _Written(msgspec.Struct, forbid_unknown_fields=True):
    """Fields of a hook that a request may send; omitted fields stay."""

    scope: str | None = None
    destination: str | None = None
    is_active: bool | None = None
    headers: dict[str, str] | None = None


@record(
    "id scope destination",
    headers={},
    is_active=True,
    deactivated=False,
    created_at=0,
    updated_at=0,
    client_id="sandbox",
)
class Hook(Record):
    """A registered webhook. One is `deactivated` by the platform after the last retry, not by its owner."""


class Hooks:
    """The registry, with its routes."""

    def __init__(self, store: Store, store_hash: str, blocklist: Blocklist) -> None:
        self._store = store
        self._hash = store_hash
        self._blocklist = blocklist
        self.registered: dict[int, Hook] = {}

    def hearing(self, event: Event) -> list[Hook]:
        """Return the active hooks that shall be told `event`."""
        hooks = self.registered.values()
        return [hook for hook in hooks if hook.is_active and matches(hook.scope, event)]

    @route("GET", "/v3/hooks")
    def _all(self, request: Request) -> Response:
        """Answer every hook that passes the filters, on one page."""
        query = Parameters(request.query)
        filters = {
            "is_active": query.flag("is_active"),
            "scope": query.text("scope"),
            "destination": query.text("destination"),
        }
        query.number("page", least=1), query.number("limit", least=1, most=250)
        query.finish()
        kept = [
            hook
            for hook in self.registered.values()
            if all(wanted is None or getattr(hook, name) == wanted for name, wanted in filters.items())
        ]
        pages = {"total": len(kept), "count": len(kept), "per_page": 250, "current_page": 1, "total_pages": 1}
        return json({"data": [self._shown(hook) for hook in kept], "meta": {"pagination": pages}})

    @route("POST", "/v3/hooks")
    def _create(self, request: Request) -> Response:
        """Register a hook."""
        written = _decode(request)
        if written.scope is None or written.destination is None:
            raise invalid("scope", "scope and destination are required")
        now = int(self._store.clock())
        hook = Hook(id=self._store.new_id(), scope="", destination="", created_at=now)
        self._write(hook, written)
        self.registered[hook.id] = hook
        return json({"data": self._shown(hook), "meta": {}})

    @route("GET", "/v3/hooks/admin")
    def _admin(self, _request: Request) -> Response:
        """Answer the health of the hooks, and who is told of it. What a hook shows beside its status is inferred."""
        status = {True: "deactivated", False: "inactive"}
        hooks = [
            self._shown(hook) | {"status": "active" if hook.is_active else status[hook.deactivated]}
            for hook in self.registered.values()
        ]
        data = {"emails": EMAILS, "hooks_list": hooks, "blocked_domains": self._blocklist.shown()}
        return json({"data": data, "meta": {}})

    @route("GET", "/v3/hooks/{hook_id}")
    def _get(self, _request: Request, hook_id: str) -> Response:
        return json({"data": self._shown(self._find(hook_id)), "meta": {}})

    @route("PUT", "/v3/hooks/{hook_id}")
    def _update(self, request: Request, hook_id: str) -> Response:
        """Change a hook; `is_active` true revives a deactivated one."""
        hook = self._find(hook_id)
        self._write(hook, _decode(request))
        return json({"data": self._shown(hook), "meta": {}})

    @route("DELETE", "/v3/hooks/{hook_id}")
    def _delete(self, _request: Request, hook_id: str) -> Response:
        """Remove a hook and answer what it was."""
        hook = self._find(hook_id)
        del self.registered[hook.id]
        return json({"data": self._shown(hook), "meta": {}})

    def _find(self, hook_id: str) -> Hook:
        hook = self.registered.get(int(hook_id)) if hook_id.isdecimal() else None
        if hook is None:
            raise Refused(v3(404))
        return hook

    def _write(self, hook: Hook, written: _Written) -> None:
        scope = hook.scope if written.scope is None else written.scope
        destination = hook.destination if written.destination is None else written.destination
        self._check(hook, scope, destination)
        hook.scope, hook.destination = scope, destination
        hook.headers = hook.headers if written.headers is None else written.headers
        if written.is_active is not None:
            hook.is_active, hook.deactivated = written.is_active, False
        hook.updated_at = int(self._store.clock())

    def _check(self, hook: Hook, scope: str, destination: str) -> None:
        if scope not in SCOPES:
            raise invalid("scope", f"unknown scope {scope}")
        if not _acceptable(destination):
            raise invalid("destination", "the sandbox delivers by http to loopback addresses only")
        others = [other for other in self.registered.values() if other.scope == scope and other is not hook]
        if any(other.destination == destination for other in others):
            raise invalid("destination", "a hook with this scope and destination exists")
        if len(others) >= MOST_PER_SCOPE:
            raise invalid("scope", f"at most {MOST_PER_SCOPE} hooks per scope")

    def _shown(self, hook: Hook) -> dict[str, Any]:
        shown: dict[str, Any] = msgspec.to_builtins(hook)
        del shown["deactivated"]
        return shown | {"store_hash": self._hash}


def _decode(request: Request) -> _Written:
    try:
        return msgspec.json.decode(request.body, type=_Written)
    except msgspec.DecodeError as error:
        raise invalid("body", str(error)) from None


def _acceptable(destination: str) -> bool:
    url = urlsplit(destination)
    if url.scheme != "http" or not url.hostname:
        return False
    try:
        return url.hostname == "localhost" or ipaddress.ip_address(url.hostname).is_loopback
    except ValueError:
        return False


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
                if not (delivery.hook.is_active and delivery.hook.id in self._hooks.registered):
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
