"""A receiver of notifications: one address, and the form in which it takes a message."""

from collections.abc import Iterator
from typing import Literal
from urllib.parse import urlsplit

from attrs import frozen

from daemon.admin.notifications.message import Message, json_body, signature_headers, slack_body
from daemon.config.settings import NotificationSettings
from daemon.errors import Rejected
from daemon.model import Secret
from daemon.transport.http import Api, Transport, temporary

ANSWER_SECONDS = 15.0
"""Time for an answer; Standard Webhooks advises 15 to 30."""

LARGEST_ANSWER = 64 * 1024
"""Bytes of an answer: only its status is looked at."""


@frozen(kw_only=True)
class Receiver:
    """One receiver: it takes webhooks that are signed with its `secret`; without one, what Slack takes."""

    name: Literal["webhook", "slack"]
    api: Api
    path: str
    secret: Secret | None

    async def take(self, message: Message, now: float) -> None:
        """Send a message, signed at `now` in seconds since the epoch. Raises Retry and Rejected unless it was taken."""
        body, headers = slack_body(message), dict[str, str]()
        if self.secret is not None:
            body = json_body(message)
            headers = signature_headers(self.secret, message.id, now, body)
        answer = await self.api.send("POST", self.path, body=body, headers=headers)
        if not answer.ok:
            # A redirect too: it may lead to an address that no setting allows.
            raise temporary(answer) or Rejected(f"answered {answer.status}", reason=f"http_{answer.status}")


def receivers(settings: NotificationSettings, transport: Transport | None = None) -> Iterator[Receiver]:
    """Yield the configured receivers. Tests bring a `transport`."""
    if settings.webhook_url is not None and settings.webhook_secret is not None:
        yield _receiver("webhook", settings.webhook_url, settings.webhook_secret, transport)
    if settings.slack_url is not None:
        yield _receiver("slack", settings.slack_url, None, transport)


def _receiver(
    name: Literal["webhook", "slack"], url: Secret, secret: Secret | None, transport: Transport | None
) -> Receiver:
    parts = urlsplit(url.reveal())
    api = Api(
        f"{parts.scheme}://{parts.netloc}",
        headers={"Content-Type": "application/json"},
        connections=1,
        timeout=ANSWER_SECONDS,
        largest_body=LARGEST_ANSWER,
        transport=transport,
    )
    path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    return Receiver(name=name, api=api, path=path, secret=secret)
