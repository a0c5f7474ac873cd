"""Webhooks: their registration, which pings, and the queue of deliveries as Action Scheduler works it off.

A secret is never told, nor the failure count. Two with the same topic and address are accepted; PUT of `active`
revives one that was switched off and keeps its failure count (woocommerce.md, Webhooks 5).

Deliveries go late, one after the other, each once. While one for the same webhook and id waits, no second is queued. A
failed one is gone; the seventh failure in a row switches the webhook off (recordings, disable_trail). A delivery id is
a hash of webhook and second, so it is not unique. Bodies are built when they are delivered: whole objects, an error
object, or an id alone (recorded). Tests may also send by hand what a stranger would.
"""

import base64
import hashlib
import hmac
import ipaddress
import secrets
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
import trio
from attrs import evolve, frozen

from daemon.sandbox.message import Refused
from daemon.sandbox.post import REMEMBERED, Sender
from daemon.sandbox.woocommerce.answers import INVALID_ID, Query, invalid, item_links, php_json, problem, refused
from daemon.sandbox.woocommerce.catalogue import Event, Webhook
from daemon.sandbox.woocommerce.keys import Keys
from daemon.sandbox.woocommerce.product_shapes import dated
from daemon.sandbox.woocommerce.resource import Body, Resource, SortKeys, typed
from daemon.sandbox.woocommerce.shop import Shop

EVENTS = {
    "product": ("created", "updated", "deleted", "restored", "published"),
    "order": ("created", "updated", "deleted", "restored"),
    "customer": ("created", "updated", "deleted"),
    "coupon": ("created", "updated", "deleted", "restored"),
}
"""Topics that exist (woocommerce.md, Webhooks 14), besides those of actions."""
STATUSES = ("active", "paused", "disabled")
_WRITTEN = {"name": "string", "status": "string", "topic": "string", "secret": "string", "delivery_url": "string"}


class Hooks(Resource[Webhook]):
    """The registered webhooks, by id; `ping` is called with each new active one."""

    collection, plural = "/webhooks", "Webhooks"
    missing = ("woocommerce_rest_shop_webhook_invalid_id", INVALID_ID)

    def __init__(self, shop: Shop, ping: Callable[[Webhook], None]) -> None:
        super().__init__(shop)
        self._ping = ping
        self.registered: dict[int, Webhook] = {}

    def hearing(self, topic: str) -> list[Webhook]:
        """Return the active webhooks of a topic."""
        return [hook for hook in self.registered.values() if hook.topic == topic and hook.status == "active"]

    def rows(self, **_parents: int) -> Mapping[int, Webhook]:
        """Return the webhooks by id."""
        return self.registered

    def chosen(self, query: Query, **_parents: int) -> Sequence[Webhook]:
        """Return the webhooks of a status."""
        status = query.choice("status", ("all", *STATUSES), "all")
        return [hook for hook in self.registered.values() if status in {"all", hook.status}]

    def orderby(self, _query: Query) -> SortKeys:
        """Return the words of `orderby`."""
        return {
            "date": lambda hook: (hook.created.gmt, hook.id),
            "id": lambda hook: hook.id,
            "title": lambda hook: (hook.name, hook.id),
        }

    def create(self, body: Body, **_parents: int) -> Body:
        """Register a webhook."""
        given = _checked(body)
        if not _known(given.get("topic", "")):
            raise _bad_topic()
        hook = Webhook(
            id=self._shop.new_id("webhook"),
            topic=given["topic"],
            delivery_url=given.get("delivery_url", ""),
            created=self._shop.moment(),
            name=given.get("name", "Webhook created by the API"),
            status=given.get("status", "active"),
            # Without a secret the shop makes one up and tells it to no one.
            secret=given.get("secret") or secrets.token_urlsafe(32),
        )
        _check_url(hook.delivery_url)
        self.registered[hook.id] = hook
        if hook.status == "active":
            self._ping(hook)
        return self.shown(hook)

    def update(self, item: Webhook, body: Body) -> Body:
        """Change a webhook."""
        given = _checked(body)
        if "topic" in given and not _known(given["topic"]):
            raise _bad_topic()
        _check_url(given.get("delivery_url", item.delivery_url))
        for name, value in given.items():
            setattr(item, name, value)
        item.modified = self._shop.moment()
        return self.shown(item)

    def remove(self, item: Webhook) -> None:
        """Delete a webhook."""
        del self.registered[item.id]

    def shown(self, item: Webhook, _query: Query | None = None) -> Body:
        """Return a webhook."""
        resource, _, event = item.topic.partition(".")
        return {
            "id": item.id,
            "name": item.name,
            "status": item.status,
            "topic": item.topic,
            "resource": resource,
            "event": event,
            # Which PHP hooks stand behind a topic is recorded for actions only.
            "hooks": [event] if resource == "action" else [],
            "delivery_url": item.delivery_url,
            **dated(self._shop, "date_created", item.created.gmt),
            **dated(self._shop, "date_modified", item.modified.gmt if item.modified else None),
            **item_links(self._shop.home, f"webhooks/{item.id}"),
        }


def _checked(body: Body) -> Body:
    given = typed(body, _WRITTEN)
    if given.get("status", "active") not in STATUSES:
        raise invalid("status", f"status is not one of {', '.join(STATUSES)}.", "rest_not_in_enum")
    return given


def _known(topic: str) -> bool:
    resource, _, event = topic.partition(".")
    if resource == "action":
        return event.startswith(("woocommerce_", "wc_"))
    return event in EVENTS.get(resource, ())


def _bad_topic() -> Exception:
    return refused("woocommerce_rest_shop_webhook_invalid_topic", "Webhook topic is required and must be valid.", 400)


def _check_url(url: str) -> None:
    if not url.startswith(("http://", "https://")):
        words = "Webhook delivery URL must be a valid URL starting with http:// or https://."
        raise refused("woocommerce_rest_shop_webhook_invalid_delivery_url", words, 400)


FORBIDDEN = problem("woocommerce_rest_cannot_view", "Sorry, you cannot view this resource.", 403)
TIMEOUT_SECONDS = 60.0
MOST_FAILURES = 5
"""With more failures than this behind it, the next one switches a webhook off: the seventh in a row."""
SAFE_PORTS = (80, 443, 8080)

AGENT = {
    "user-agent": "WooCommerce/11.0.1 Hookshot (WordPress/7.1)",
    "accept": "*/*",
    "accept-encoding": "deflate, gzip, br, zstd",
    "connection": "close",
}


Signature = Literal["valid", "forged", "none"]


@frozen(kw_only=True)
class Delivery:
    """A delivery. `status` is None when no answer came, `delivery_id` is not unique."""

    hook: Webhook
    event: Event
    delivery_id: str
    body: bytes
    status: int | None = None

    @property
    def accepted(self) -> bool:
        """True if WooCommerce takes it for delivered: 200 to 302, redirects included, which it does not follow."""
        return self.status is not None and 200 <= self.status <= 302  # noqa: PLR2004  as measured


class Webhooks(Sender):
    """The sender. `attempts` has the last deliveries, oldest first; `outstanding` counts those queued or under way.

    `cron_delay` is the seconds between an edit and its delivery; None is WP-Cron switched off: only `run_queue` sends.
    With `needs_visits` the queue also waits for the next request, as on a quiet shop.
    """

    def __init__(
        self,
        shop: Shop,
        keys: Keys,
        resources: Mapping[str, Resource[Any]],
        *,
        cron_delay: float | None,
        needs_visits: bool,
        safe_urls_only: bool,
        nursery: trio.Nursery,
    ) -> None:
        super().__init__()
        self.hooks = Hooks(shop, self._ping)
        self._resources = resources
        self.attempts: deque[Delivery] = deque(maxlen=REMEMBERED)
        self.pings: deque[tuple[int, int | None]] = deque(maxlen=REMEMBERED)
        """Each ping's webhook id and the status that answered it."""
        self.dropping = False
        """True: deliveries are lost on the way, and the shop counts them neither as failed nor as delivered."""
        self.dropped = 0
        self.cron_delay, self.needs_visits, self.safe_urls_only = cron_delay, needs_visits, safe_urls_only
        self._shop, self._keys, self._nursery = shop, keys, nursery
        self._queue: deque[tuple[float, Webhook, Event]] = deque()
        self._waiting: set[tuple[int, int]] = set()
        self._under_way = 0
        self._running = False
        self._visit = trio.Event()
        shop.listen(self.announce)

    @property
    def outstanding(self) -> int:  # type: ignore[override]
        """Number of deliveries and pings that are queued or under way."""
        return len(self._queue) + self._under_way

    def announce(self, event: Event) -> None:
        """Queue the event for each webhook that hears it and has none for the same id waiting."""
        for hook in self.hooks.hearing(event.topic):
            if (hook.id, event.id) not in self._waiting:
                self._waiting.add((hook.id, event.id))
                self._queue.append((trio.current_time() + (self.cron_delay or 0), hook, event))
        self._start()

    def visited(self) -> None:
        """Note a request to the site: it wakes a queue that waits for visits, or for WP-Cron to be switched on."""
        self._visit.set()
        self._visit = trio.Event()
        self._start()

    def prepare(self, hook: Webhook, event: Event) -> Delivery:
        """Write a delivery with the object's present state."""
        body = php_json(self._payload(event))
        name = f"{hook.id}{int(self._shop.clock())}".encode()
        fingerprint = hashlib.md5(name, usedforsecurity=False).hexdigest()
        return Delivery(hook=hook, event=event, delivery_id=fingerprint, body=body)

    def _payload(self, event: Event) -> Any:
        """Return the body of an event's webhook: an error object where its owner may see nothing any more."""
        resource, _, name = event.topic.partition(".")
        if resource == "action":
            return {"action": name, "arg": []}
        if name == "deleted":
            return {"id": event.id}
        if self._keys.role_lost:
            return FORBIDDEN
        try:
            return self._resources[resource].shown(self._resources[resource].find(event.id))
        except Refused as refusal:
            return msgspec.json.decode(refusal.response.body)

    async def send(
        self, delivery: Delivery, *, signature: Signature = "valid", headers: Mapping[str, str] | None = None
    ) -> Delivery:
        """Post a delivery and return it with its status. A failure does not count.

        `signature` forges it or leaves it out; `headers` are put over the usual ones.
        """
        hook = delivery.hook
        key = b"another key" if signature == "forged" else hook.secret.encode()
        signed = base64.b64encode(hmac.digest(key, delivery.body, "sha256")).decode()
        resource, _, name = hook.topic.partition(".")
        own = AGENT | {
            "content-type": "application/json",
            "x-wc-webhook-source": f"{self._shop.home}/",
            "x-wc-webhook-topic": hook.topic,
            "x-wc-webhook-resource": resource,
            "x-wc-webhook-event": name,
            "x-wc-webhook-signature": signed,
            "x-wc-webhook-id": str(hook.id),
            "x-wc-webhook-delivery-id": delivery.delivery_id,
        }
        if signature == "none":
            del own["x-wc-webhook-signature"]
        status = await self._post(hook.delivery_url, own | dict(headers or {}), delivery.body, TIMEOUT_SECONDS)
        sent = evolve(delivery, status=status)
        self.attempts.append(sent)
        return sent

    async def run_queue(self) -> None:
        """Deliver all that waits, however long it shall wait yet: an admin opens a page."""
        while self._queue:
            await self._deliver_next()

    def _start(self) -> None:
        if self._queue and self.cron_delay is not None and not self._running:
            self._running = True
            self._nursery.start_soon(self._run)

    async def _run(self) -> None:
        try:
            while self._queue:
                await trio.sleep_until(self._queue[0][0])
                if self.needs_visits:
                    await self._visit.wait()
                # The queue may have been worked off by hand meanwhile.
                await self.run_due()
        finally:
            self._running = False

    async def run_due(self) -> None:
        """Deliver all that is due by now."""
        while self._queue and self._queue[0][0] <= trio.current_time():
            await self._deliver_next()

    async def _deliver_next(self) -> None:
        _, hook, event = self._queue.popleft()
        self._waiting.discard((hook.id, event.id))
        self._under_way += 1
        try:
            if hook.status != "active" or hook.id not in self.hooks.registered:
                return
            if self.dropping:
                self.dropped += 1
            elif (await self.send(self.prepare(hook, event))).accepted:
                hook.failure_count = 0
            elif hook.failure_count > MOST_FAILURES:
                hook.status = "disabled"
            else:
                hook.failure_count += 1
        finally:
            self._end()

    def _ping(self, hook: Webhook) -> None:
        self._under_way += 1
        self._nursery.start_soon(self._send_ping, hook)

    async def _send_ping(self, hook: Webhook) -> None:
        """Post a registration ping: unsigned, of another type, and of no consequence."""
        headers = AGENT | {"content-type": "application/x-www-form-urlencoded"}
        try:
            status = await self._post(hook.delivery_url, headers, f"webhook_id={hook.id}".encode(), TIMEOUT_SECONDS)
            self.pings.append((hook.id, status))
        finally:
            self._end()

    def _end(self) -> None:
        self._under_way -= 1
        self._wake()

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes, seconds: float) -> int | None:
        return None if self.safe_urls_only and not _safe(url) else await super()._post(url, headers, body, seconds)


def _safe(url: str) -> bool:
    """Return true if WordPress sends there by itself: usual ports, no loopback or private address."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        public = ipaddress.ip_address(parts.hostname or "").is_global
    except ValueError:
        public = parts.hostname != "localhost"
    return public and port in SAFE_PORTS
