"""The routes of webhooks: registration, which pings, and what the API tells of them later.

A secret is never told, nor the failure count. Two with the same topic and address are accepted; PUT of `active`
revives one that was switched off and keeps its failure count (woocommerce.md, Webhooks 5).
"""

import secrets
from collections.abc import Callable, Mapping, Sequence

from daemon.sandbox.woocommerce.answers import INVALID_ID, Query, invalid, item_links, refused
from daemon.sandbox.woocommerce.catalogue import Webhook
from daemon.sandbox.woocommerce.product_shapes import dated
from daemon.sandbox.woocommerce.resource import Body, Keys, Resource, typed
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

    def orderby(self, _query: Query) -> Keys:
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
