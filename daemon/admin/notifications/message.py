"""The message about one condition: its words, its JSON, and the headers that sign it. Pure.

The webhook follows Standard Webhooks (https://github.com/standard-webhooks/standard-webhooks). `webhook-id` is the same
at each attempt, so a receiver can drop what it has. The signature is HMAC-SHA256 over "id.timestamp.body".
"""

import base64
import hashlib
import hmac
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import msgspec
from attrs import frozen

from daemon.admin.notifications.conditions import UNCHECKED, Condition, Event
from daemon.config.settings import SIGNING_PREFIX
from daemon.model import Kind, Secret

RUNBOOK = "docs/operating.md"
ANCHORS: Mapping[Event, str] = MappingProxyType(
    {
        Event.BLOCKED: "a-connection-or-a-kind-is-blocked",
        Event.REMOVALS_HELD: "removals-are-held",
        Event.PARKED: "changes-are-parked",
        Event.FULL_SYNC_FAILED: "a-full-sync-does-not-end",
        Event.WEBHOOKS_MISSING: "webhooks-are-missing",
        Event.ISSUES: "the-sync-log-shows-errors",
    }
)
"""The section of the runbook for each event."""

NAMES: Mapping[Kind | None, str] = MappingProxyType(
    {
        None: "",
        Kind.PRODUCTS: "products",
        Kind.CUSTOMERS: "customers",
        Kind.ORDERS: "orders",
        Kind.STORE: "the store's settings",
    }
)


@frozen(kw_only=True)
class Message:
    """A condition that has begun, or is over, on one site.

    `since` is when that was seen, in seconds since the epoch. `new` counts the issues of a digest by kind. `page` is
    the operator's page of the site, if there is any, and `runbook` the page that the anchors belong to.
    """

    id: str
    condition: Condition
    resolved: bool
    site: str
    platform: str
    since: float
    new: Mapping[str, int]
    page: str | None
    runbook: str

    @property
    def links(self) -> dict[str, str]:
        """The links by name."""
        page = {"page": self.page} if self.page else {}
        return page | {"runbook": f"{self.runbook}#{ANCHORS[self.condition.event]}"}

    @property
    def text(self) -> str:
        """One sentence for people, without links."""
        opened, resolved = _words(self)[self.condition.event]
        return f"{self.site}: {resolved if self.resolved else opened}"


def json_body(message: Message) -> bytes:
    """Return the body of a webhook."""
    condition = message.condition
    data: dict[str, Any] = {
        "site": message.site,
        "platform": message.platform,
        "kind": condition.kind.value if condition.kind else None,
        "cause": condition.cause,
        "counts": dict(condition.counts),
        "text": message.text,
        "links": message.links,
    }
    if message.new:
        data["new"] = dict(message.new)
    state = "resolved" if message.resolved else "opened"
    moment = datetime.fromtimestamp(message.since, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return msgspec.json.encode({"type": f"{condition.event}.{state}", "timestamp": moment, "data": data})


def slack_body(message: Message) -> bytes:
    """Return the body for an incoming webhook of Slack, or of a program that takes the same."""
    links = [_link(url, name) for name, url in message.links.items()]
    return msgspec.json.encode({"text": " ".join([_escaped(message.text), *links])})


def signature_headers(secret: Secret, message_id: str, now: float, body: bytes) -> dict[str, str]:
    """Return the headers that sign a body at an attempt."""
    stamp = str(int(now))
    key = base64.b64decode(secret.reveal().removeprefix(SIGNING_PREFIX))
    signed = hmac.digest(key, f"{message_id}.{stamp}.".encode() + body, hashlib.sha256)
    signature = f"v1,{base64.b64encode(signed).decode()}"
    return {"webhook-id": message_id, "webhook-timestamp": stamp, "webhook-signature": signature}


def _link(url: str, name: str) -> str:
    """Return a link in Slack's notation; a path of the release, which leads nowhere, as it is."""
    return f"<{_escaped(url)}|{name}>" if "://" in url else f"({_escaped(url)})"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _words(message: Message) -> Mapping[Event, tuple[str, str]]:
    """Return what is said of each event that begins, and of its end."""
    condition, kind = message.condition, NAMES[message.condition.kind]
    counts, cause = Counter(condition.counts), condition.cause  # 0 for the numbers of other events
    number, registered = counts["entities"], counts["registered"]
    blocked = f"{kind} are blocked ({cause}), so they are not synced."
    all_blocked = f"the connection is blocked ({cause}), so nothing is synced."
    held = f"removals of {number} {kind} are held until a person allows them."
    one_held = f"the removal of 1 entity of {kind} is held until a person allows it."
    parked = f"{number} changes of {kind} have used up their retries and are parked."
    one_parked = f"1 change of {kind} has used up its retries and is parked."
    ended = f"{counts['done']} done, {counts['failed']} failed, {counts['held_removals']} removals held"
    missing = f"not all webhooks are registered: {registered} registered, {counts['missing']} missing."
    unchecked = f"the webhooks cannot be checked; {registered} were registered at the last check."
    new = ", ".join(f"{number} for {NAMES[Kind(name)]}" for name, number in message.new.items())
    return {
        Event.BLOCKED: (
            blocked if kind else all_blocked,
            f"{kind} are synced again." if kind else "the connection works again.",
        ),
        Event.REMOVALS_HELD: (one_held if number == 1 else held, f"removals of {kind} are no longer held."),
        Event.PARKED: (one_parked if number == 1 else parked, f"changes of {kind} are no longer parked."),
        Event.FULL_SYNC_FAILED: (
            f"the full sync of {kind} did not succeed: {ended}.",
            f"the latest full sync of {kind} did not fail.",
        ),
        Event.WEBHOOKS_MISSING: (unchecked if cause == UNCHECKED else missing, "all webhooks are registered."),
        Event.ISSUES: (
            f"new issues that the merchant must fix: {new}; {counts.total()} open in all.",
            "no issues are open.",
        ),
    }
