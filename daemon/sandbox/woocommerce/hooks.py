"""The routes of webhooks: registration, which pings, and what the API tells of them later.

A secret is never told, nor the failure count. Two with the same topic and address are accepted; PUT of `active`
revives one that was switched off and keeps its failure count (woocommerce.md, Webhooks 5).
"""

import secrets
from collections.abc import Callable
from typing import Any

from daemon.sandbox.message import Request, Response
from daemon.sandbox.router import route
from daemon.sandbox.woocommerce.answers import INVALID_ID, answer, invalid, item_links, refused
from daemon.sandbox.woocommerce.bodies import Body, batched, decoded, number, typed
from daemon.sandbox.woocommerce.listing import fields, listed
from daemon.sandbox.woocommerce.product_shapes import dated
from daemon.sandbox.woocommerce.query import Query
from daemon.sandbox.woocommerce.records import Webhook
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

Ping = Callable[[Webhook], None]


class Hooks:
    """The registered webhooks, by id; `ping` is called with each new active one."""

    def __init__(self, shop: Shop, ping: Ping) -> None:
        self._shop, self._ping = shop, ping
        self.registered: dict[int, Webhook] = {}

    def hearing(self, topic: str) -> list[Webhook]:
        """Return the active webhooks of a topic."""
        return [hook for hook in self.registered.values() if hook.topic == topic and hook.status == "active"]

    @route("GET", "/webhooks")
    @route("HEAD", "/webhooks")
    def _list(self, request: Request) -> Response:
        query = Query(request.query)
        status = query.choice("status", ("all", *STATUSES), "all")
        included = set(query.ids("include"))
        rows = [
            hook
            for hook in self.registered.values()
            if status in {"all", hook.status} and (not included or hook.id in included)
        ]
        return listed(
            request,
            rows,
            self._shown,
            home=self._shop.home,
            orderby={
                "date": lambda hook: (hook.created.gmt, hook.id),
                "id": lambda hook: hook.id,
                "title": lambda hook: (hook.name, hook.id),
            },
            default=("date", "desc"),
        )

    @route("GET", "/webhooks/{hook_id}")
    def _get(self, request: Request, hook_id: str) -> Response:
        return answer(fields(Query(request.query), self._shown(self._find(number(hook_id)))))

    @route("POST", "/webhooks")
    def _post(self, request: Request) -> Response:
        return answer(self._create(decoded(request)), 201)

    @route("PUT", "/webhooks/{hook_id}")
    @route("POST", "/webhooks/{hook_id}")
    @route("PATCH", "/webhooks/{hook_id}")
    def _put(self, request: Request, hook_id: str) -> Response:
        return answer(self._update(number(hook_id), decoded(request)))

    @route("DELETE", "/webhooks/{hook_id}")
    def _remove(self, request: Request, hook_id: str) -> Response:
        return answer(self._delete(number(hook_id), forced=bool(Query(request.query).flag("force"))))

    @route("POST", "/webhooks/batch")
    def _batch(self, request: Request) -> Response:
        return batched(
            request,
            create=self._create,
            update=self._update,
            delete=lambda hook_id: self._delete(hook_id, forced=True),
        )

    def _create(self, body: Body) -> Body:
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
        return self._shown(hook)

    def _update(self, hook_id: int, body: Body) -> Body:
        hook, given = self._find(hook_id), _checked(body)
        if "topic" in given and not _known(given["topic"]):
            raise _bad_topic()
        _check_url(given.get("delivery_url", hook.delivery_url))
        for name, value in given.items():
            setattr(hook, name, value)
        hook.modified = self._shop.moment()
        return self._shown(hook)

    def _delete(self, hook_id: int, *, forced: bool) -> Body:
        hook = self._find(hook_id)
        if not forced:
            raise refused("woocommerce_rest_trash_not_supported", "Webhooks do not support trashing.", 501)
        del self.registered[hook_id]
        return self._shown(hook)

    def _find(self, hook_id: int) -> Webhook:
        hook = self.registered.get(hook_id)
        if hook is None:
            raise refused("woocommerce_rest_shop_webhook_invalid_id", INVALID_ID, 404)
        return hook

    def _shown(self, hook: Webhook) -> dict[str, Any]:
        resource, _, event = hook.topic.partition(".")
        return {
            "id": hook.id,
            "name": hook.name,
            "status": hook.status,
            "topic": hook.topic,
            "resource": resource,
            "event": event,
            # Which PHP hooks stand behind a topic is recorded for actions only.
            "hooks": [event] if resource == "action" else [],
            "delivery_url": hook.delivery_url,
            **dated(self._shop, "date_created", hook.created.gmt),
            **dated(self._shop, "date_modified", hook.modified.gmt if hook.modified else None),
            **item_links(self._shop.home, f"webhooks/{hook.id}"),
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
