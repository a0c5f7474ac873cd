"""Tells one receiver of the conditions of the connections that this node works on. A receiver is one address.

Each round compares what holds with what the receiver knows, and sends the difference. No queue grows while a receiver
is away, and what was over before it came back is told as over. A message is stored, sent, and stored as taken, by the
owner of the connection: so a node that has lost its lease tells nothing, and the next owner goes on with the same id.
"""

import random
import secrets
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from itertools import groupby
from math import inf
from operator import attrgetter
from types import MappingProxyType
from typing import Literal
from urllib.parse import urlsplit

import structlog
import trio
from attrs import define, evolve, field, frozen

from daemon.admin.notifications.changes import digest_times, taken_by, to_store, to_tell
from daemon.admin.notifications.conditions import Event
from daemon.admin.notifications.message import RUNBOOK, Message, json_body, signature_headers, slack_body
from daemon.admin.notifications.watch import Observed, Watch
from daemon.config import Settings
from daemon.config.settings import NotificationSettings
from daemon.engine.context import ConnectionContext
from daemon.errors import Failure, Rejected, Retry, StorageTrouble
from daemon.model import Secret
from daemon.observability.logging import log_storage_trouble
from daemon.observability.metrics import Metrics
from daemon.storage import issues, notifications
from daemon.storage.database import Storage
from daemon.storage.notifications import Notification
from daemon.storage.states import NotificationState
from daemon.storage.vault import Vault
from daemon.transport.backoff import backoff
from daemon.transport.http import Api, Transport, temporary

LONGEST_WAIT = 300.0
"""Seconds between two attempts to tell the same thing, unless the receiver asks for more."""

SHORTEST_WAIT = 1.0
"""Seconds between two attempts at one receiver, however many messages have failed."""

ANSWER_SECONDS = 15.0
"""Time for an answer; Standard Webhooks advises 15 to 30."""

LARGEST_ANSWER = 64 * 1024
"""Bytes of an answer: only its status is looked at."""

log = structlog.get_logger()


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


@frozen(kw_only=True)
class Due:
    """A message that the receiver has to be sent now, and what is stored about it."""

    context: ConnectionContext
    message: Message
    notification: Notification
    stored: bool
    """True if it is in the database already: an earlier attempt was to send it."""

    @property
    def key(self) -> Hashable:
        """The identity of what is told."""
        told = self.notification
        return told.connection_id, told.event, told.kind, told.standing


@frozen(kw_only=True)
class Attempts:
    """The attempts to tell one thing; times are trio's.

    `taken_at`, in seconds since the epoch, is set while the receiver has taken it and that is not stored yet.
    """

    first_at: float
    failed: int = 0
    not_before: float = 0.0
    taken_at: float | None = None


@define(kw_only=True, eq=False)
class Telling:
    """The task of one receiver. `page` is the address above the pages of sites, if there are any; see `Message`."""

    receiver: Receiver
    watch: Watch
    storage: Storage
    metrics: Metrics
    pace: NotificationSettings
    page: str | None
    runbook: str
    _attempts: dict[Hashable, Attempts] = field(init=False, factory=dict)
    _closed_until: float = field(init=False, default=0.0)
    """The time until which the receiver wants nothing."""

    async def run(self) -> None:
        """Tell until cancelled."""
        while True:
            with trio.move_on_after(self._wait()):
                await self.watch.looked.wait()
            try:
                await self.tell_all()
            except StorageTrouble as error:
                log_storage_trouble(error)
            except Exception:  # the receiver's edge: a bug here must not end the daemon
                log.exception("telling a receiver crashed", receiver=self.receiver.name)

    async def tell_all(self) -> None:
        """Tell the receiver of all that it does not know; stop at the first failure. Raises StorageTrouble."""
        every = await self._all_due()
        at = trio.current_time()
        # Only those that are still due are kept, so that nothing grows.
        self._attempts = {due.key: self._attempts.get(due.key, Attempts(first_at=at)) for due in every}
        # A message that the receiver always refuses comes last, so that it holds up no other.
        for due in sorted(every, key=lambda due: self._attempts[due.key].failed):
            if max(self._attempts[due.key].not_before, self._closed_until) > trio.current_time():
                continue
            if not await self._tell(due):
                break
        failing = [attempts.first_at for attempts in self._attempts.values() if attempts.failed]
        late = trio.current_time() - min(failing) if failing else 0.0
        self.metrics.show("notifications_late_seconds", late, self.receiver.name)

    def _wait(self) -> float:
        """Return the seconds until the next repetition; infinite when only the next look brings anything."""
        repetitions = [attempts.not_before for attempts in self._attempts.values() if attempts.failed]
        if not repetitions:
            return inf
        return max(max(min(repetitions), self._closed_until) - trio.current_time(), SHORTEST_WAIT)

    async def _tell(self, due: Due) -> bool:
        """Send a message; return False if the receiver did not take it."""
        fields = {"receiver": self.receiver.name, "site": due.message.site, "condition": due.message.condition.event}
        store, attempts = due.context.storage.write, self._attempts[due.key]
        try:
            if attempts.taken_at is None:
                if not due.stored and not await store(notifications.store, due.notification):
                    return True  # the connection has left
                await self.receiver.take(due.message, self.watch.now())
                attempts = self._attempts[due.key] = Attempts(first_at=attempts.first_at, taken_at=self.watch.now())
                self.metrics.count("notifications_total", self.receiver.name, "sent")
                log.info("notification sent", standing=due.notification.standing, **fields)
            await store(notifications.store, taken_by(due.notification, attempts.taken_at or self.watch.now()))
        except StorageTrouble as error:
            # What the receiver has taken is not sent again: the next look stores that.
            log_storage_trouble(error)
            return True
        except Failure as error:
            self._failed(due, error)
            log.warning("notification not sent", reason=error.reason, **fields)
            return False
        self._attempts.pop(due.key, None)
        return True

    def _failed(self, due: Due, error: Failure) -> None:
        before, at = self._attempts[due.key], trio.current_time()
        asked = error.after if isinstance(error, Retry) else None
        wait = backoff(before.failed, 1.0 - random.random() / 2, asked, longest=max(LONGEST_WAIT, asked or 0.0))  # noqa: S311  a wait
        self._attempts[due.key] = evolve(before, failed=before.failed + 1, not_before=at + wait)
        if asked:
            self._closed_until = at + wait
        self.metrics.count("notifications_total", self.receiver.name, "failed")

    async def _all_due(self) -> list[Due]:
        every = []
        for context, group in groupby(self.watch.observed, attrgetter("context")):
            read = await self.storage.read(notifications.known, context.connection.id, self.receiver.name)
            known = {(each.event, each.kind): each for each in read}
            for observed in group:
                kind = observed.condition.kind
                before = known.get((observed.condition.event, kind.value if kind else ""))
                due = await self._due(observed, before)
                if due is not None:
                    every.append(due)
        return every

    async def _due(self, observed: Observed, before: Notification | None) -> Due | None:
        condition = observed.condition
        if condition.event is not Event.ISSUES or not condition.holds:
            lasted, cause_lasted = observed.at - observed.since, observed.at - observed.cause_since
            standing = to_tell(condition, before, lasted, cause_lasted, self.pace)
            return None if standing is None else self._composed(observed, before, standing)
        id_ = observed.context.connection.id
        for after, until in digest_times(before, self.watch.now(), self.pace):
            new = {
                kind.value: number
                for kind in observed.context.kind_states
                if (number := await self.storage.read(issues.opened_between, id_, kind, after, until))
            }
            if new:
                return self._composed(observed, before, NotificationState.OPENING, new, until)
        return None

    def _composed(
        self,
        observed: Observed,
        before: Notification | None,
        standing: NotificationState,
        new: Mapping[str, int] = MappingProxyType({}),
        until: float = 0.0,
    ) -> Due:
        context, condition = observed.context, observed.condition
        fresh = Notification(
            connection_id=context.connection.id,
            receiver=self.receiver.name,
            event=condition.event,
            kind=condition.kind.value if condition.kind else "",
            standing=standing,
            cause=condition.cause,
            message_id=f"msg_{secrets.token_hex(16)}",
        )
        notification = to_store(fresh, before, until)
        message = Message(
            id=notification.message_id,
            condition=condition,
            resolved=standing is NotificationState.RESOLVING,
            site=str(context.connection.site),
            platform=context.connection.platform,
            since=self.watch.now() - (trio.current_time() - observed.cause_since),
            new=new,
            page=self.page and f"{self.page}/{context.connection.site}",
            runbook=self.runbook,
        )
        return Due(context=context, message=message, notification=notification, stored=notification == before)


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


@frozen(kw_only=True)
class Notifier:
    """The tasks that tell receivers. Without a receiver nothing runs."""

    watch: Watch
    tellings: Sequence[Telling]

    async def run(self) -> None:
        """Watch and tell until cancelled; return at once without a receiver."""
        if self.tellings:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.watch.run)
                for telling in self.tellings:
                    nursery.start_soon(telling.run)

    async def aclose(self) -> None:
        """Close the connections to the receivers."""
        for telling in self.tellings:
            await telling.receiver.api.aclose()


def build_notifier(
    settings: Settings,
    *,
    storage: Storage,
    vault: Vault,
    contexts: Callable[[], list[ConnectionContext]],
    metrics: Metrics,
    now: Callable[[], float],
    transport: Transport | None = None,
) -> Notifier:
    """Build the tasks for the configured receivers; tests bring a `transport`."""
    given, listener = settings.notifications, settings.listener
    watch = Watch(storage=storage, vault=vault, contexts=contexts, after=given.after_seconds, now=now)
    # Without an operator there is no page.
    page = f"{listener.public_url}/sites" if listener.public_url and listener.operators else None
    tellings = [
        Telling(
            receiver=receiver,
            watch=watch,
            storage=storage,
            metrics=metrics,
            pace=given,
            page=page,
            runbook=given.runbook_url or RUNBOOK,
        )
        for receiver in receivers(given, transport)
    ]
    return Notifier(watch=watch, tellings=tellings)
