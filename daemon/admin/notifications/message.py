"""The message about one condition: its words, its JSON, and the headers that sign it. Pure.

The webhook follows Standard Webhooks (https://github.com/standard-webhooks/standard-webhooks). `webhook-id` is the same
at each attempt, so a receiver can drop what it has. The signature is HMAC-SHA256 over "id.timestamp.body".
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
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
        words = RESOLVED if self.resolved else OPENED
        return f"{self.site}: {words[self.condition.event](self)}"


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


def _kind(message: Message) -> str:
    return NAMES[message.condition.kind]


def _blocked(message: Message) -> str:
    cause = message.condition.cause
    if message.condition.kind:
        return f"{_kind(message)} are blocked ({cause}), so they are not synced."
    return f"the connection is blocked ({cause}), so nothing is synced."


def _unblocked(message: Message) -> str:
    return f"{_kind(message)} are synced again." if message.condition.kind else "the connection works again."


def _held(message: Message) -> str:
    number = message.condition.counts["entities"]
    if number == 1:
        return f"the removal of 1 entity of {_kind(message)} is held until a person allows it."
    return f"removals of {number} {_kind(message)} are held until a person allows them."


def _parked(message: Message) -> str:
    number = message.condition.counts["entities"]
    if number == 1:
        return f"1 change of {_kind(message)} has used up its retries and is parked."
    return f"{number} changes of {_kind(message)} have used up their retries and are parked."


def _failed(message: Message) -> str:
    counts = message.condition.counts
    numbers = f"{counts['done']} done, {counts['failed']} failed, {counts['held_removals']} removals held"
    return f"the full sync of {_kind(message)} did not succeed: {numbers}."


def _missing(message: Message) -> str:
    counts = message.condition.counts
    if message.condition.cause == UNCHECKED:
        return f"the webhooks cannot be checked; {counts['registered']} were registered at the last check."
    return f"not all webhooks are registered: {counts['registered']} registered, {counts['missing']} missing."


def _issues(message: Message) -> str:
    new = ", ".join(f"{number} for {NAMES[Kind(name)]}" for name, number in message.new.items())
    total = sum(message.condition.counts.values())
    return f"new issues that the merchant must fix: {new}; {total} open in all."


OPENED: Mapping[Event, Callable[[Message], str]] = MappingProxyType(
    {
        Event.BLOCKED: _blocked,
        Event.REMOVALS_HELD: _held,
        Event.PARKED: _parked,
        Event.FULL_SYNC_FAILED: _failed,
        Event.WEBHOOKS_MISSING: _missing,
        Event.ISSUES: _issues,
    }
)
RESOLVED: Mapping[Event, Callable[[Message], str]] = MappingProxyType(
    {
        Event.BLOCKED: _unblocked,
        Event.REMOVALS_HELD: lambda message: f"removals of {_kind(message)} are no longer held.",
        Event.PARKED: lambda message: f"changes of {_kind(message)} are no longer parked.",
        Event.FULL_SYNC_FAILED: lambda message: f"the latest full sync of {_kind(message)} did not fail.",
        Event.WEBHOOKS_MISSING: lambda _: "all webhooks are registered.",
        Event.ISSUES: lambda _: "no issues are open.",
    }
)
