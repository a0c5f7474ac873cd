"""A daemon without a network that tells receivers of trouble; the receivers are here.

async with open_notified(...) as h:
    await BEGIN[event](h)                  # h.daemon: see tests/connections/harness.py
    await trio.sleep(...)
    assert h.receiver.types("webhook") == ["parked.opened"]
    h = await h.restarted()
"""

import base64
import contextlib
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import httpx
import trio
from attrs import define, evolve, field, frozen
from sqlalchemy import Connection, delete, insert

from daemon.admin.notifications.conditions import Event
from daemon.admin.notifications.telling import Notifier, build_notifier
from daemon.config import Settings
from daemon.config.settings import ListenerSettings, NotificationSettings, SecuritySettings
from daemon.engine.context import ConnectionContext
from daemon.errors import Blocked, Side
from daemon.model import Kind, Secret
from daemon.observability.metrics import Metrics
from daemon.storage import registrations, tables
from daemon.storage.registrations import StoredRegistration
from daemon.storage.states import RemovalCause, RemovalState, RunMode, RunState
from tests.connections.harness import LifecycleHarness, link, open_harness

WEBHOOK = "https://agency.test/hooks?key=1"
SLACK = "https://slack.test/services/T0/B0"
SIGNING = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
AFTER = 60.0
RECEIVERS = ("webhook", "slack")
PRODUCTS = Kind.PRODUCTS


@frozen(kw_only=True)
class Taken:
    """A request that a receiver has answered with 2xx."""

    at: float
    receiver: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def content(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.body)
        return content


Behaviour = Callable[[str], Awaitable[httpx.Response]]


async def accept(_receiver: str) -> httpx.Response:
    return httpx.Response(204)


@define(eq=False)
class FakeReceivers(httpx.AsyncBaseTransport):
    """Both receivers; `behaviour` answers each request."""

    behaviour: Behaviour = accept
    tried: list[tuple[float, str]] = field(factory=list)
    taken: list[Taken] = field(factory=list)
    sent: list[Taken] = field(factory=list)
    """Everything that arrived, whatever was answered."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await trio.lowlevel.checkpoint()
        receiver = {WEBHOOK: "webhook", SLACK: "slack"}[str(request.url)]
        headers = {name.decode().lower(): value.decode() for name, value in request.headers.raw}
        arrived = Taken(at=trio.current_time(), receiver=receiver, headers=headers, body=request.content)
        self.tried.append((arrived.at, receiver))
        self.sent.append(arrived)
        response = await self.behaviour(receiver)
        if response.is_success:
            self.taken.append(arrived)
        return response

    def of(self, receiver: str) -> list[Taken]:
        return [taken for taken in self.taken if taken.receiver == receiver]

    def types(self) -> list[str]:
        """Return the types of what the signed webhook has taken."""
        return [str(taken.content["type"]) for taken in self.of("webhook")]

    def texts(self) -> list[str]:
        """Return the texts that Slack has taken."""
        return [str(taken.content["text"]) for taken in self.of("slack")]


def signed(taken: Taken) -> bool:
    """Verify a message by the recipe of the specification, which has nothing of the daemon's."""
    content = f"{taken.headers['webhook-id']}.{taken.headers['webhook-timestamp']}.".encode() + taken.body
    key = base64.b64decode(SIGNING.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    versions = [each.split(",", 1) for each in taken.headers["webhook-signature"].split()]
    return any(version == "v1" and hmac.compare_digest(given, expected) for version, given in versions)


def notified_settings(**more: Any) -> Settings:
    given = {"webhook_url": Secret(WEBHOOK), "webhook_secret": Secret(SIGNING), "slack_url": Secret(SLACK)}
    return Settings(
        security=SecuritySettings(secret_keys=(Secret("0123456789abcdef"),)),
        listener=ListenerSettings(public_url="https://here.test", admin_token=Secret("an admin's")),
        notifications=NotificationSettings(**{**given, "after_seconds": AFTER, **more}),
    )


@define(eq=False)
class NotifiedHarness:
    """A daemon and its receivers; `metrics` has the numbers of the telling tasks."""

    daemon: LifecycleHarness
    receivers: FakeReceivers
    settings: Settings
    metrics: Metrics
    notifier: Notifier
    scope: trio.CancelScope
    nursery: trio.Nursery

    @property
    def context(self) -> ConnectionContext:
        return self.daemon.runner("a").context

    async def write(self, *statements: Any) -> None:
        def run(conn: Connection, _calls: Sequence[None]) -> list[None]:
            for statement in statements:
                conn.execute(statement)
            return [None]

        await self.daemon.database.write(run, None)

    async def restarted(self) -> "NotifiedHarness":
        """Return the daemon after a restart in which its tasks were cancelled at once."""
        self.scope.cancel()
        return await start(await self.daemon.restarted(CONFIGURED), self.receivers, self.settings, self.nursery)

    def series(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"ignite_sync_{name}", labels)


CONFIGURED = evolve(link("a", "s1"), full_sync_on_start=False)


async def start(
    daemon: LifecycleHarness, receivers: FakeReceivers, settings: Settings, nursery: trio.Nursery
) -> NotifiedHarness:
    metrics, scope = Metrics(), trio.CancelScope()
    notifier = build_notifier(
        settings,
        storage=daemon.database,
        vault=daemon.lifecycle.registry.vault,
        contexts=lambda: daemon.supervisor.contexts,
        metrics=metrics,
        now=daemon.lifecycle.now,
        transport=receivers,
    )

    async def run() -> None:
        with scope:
            await notifier.run()

    nursery.start_soon(run)
    return NotifiedHarness(daemon, receivers, settings, metrics, notifier, scope, nursery)


@contextlib.asynccontextmanager
async def open_notified(**more: Any) -> AsyncIterator[NotifiedHarness]:
    """Open a daemon with the connection test/a, and receivers with `more` settings."""
    async with open_harness(CONFIGURED) as daemon, trio.open_nursery() as nursery:
        daemon.later[0] = 1_000_000.0
        yield await start(daemon, FakeReceivers(), notified_settings(**more), nursery)
        nursery.cancel_scope.cancel()


# Each condition, begun and ended where the daemon has it

CAUSE = Blocked("the key of Jane Doe is refused", reason="credentials", side=Side.PLATFORM)
OTHER_CAUSE = Blocked("Jane Doe's account is closed", reason="store_closed", side=Side.PLATFORM)


def _of_products(h: NotifiedHarness, **more: Any) -> dict[str, Any]:
    return {"connection_id": h.context.connection.id, "kind": "products", **more}


async def _block(h: NotifiedHarness) -> None:
    h.context.pause.start(CAUSE)


async def _unblock(h: NotifiedHarness) -> None:
    h.context.pause._turn(None)


async def _block_products(h: NotifiedHarness) -> None:
    h.context.kind_states[PRODUCTS].pause.start(CAUSE)


async def _unblock_products(h: NotifiedHarness) -> None:
    h.context.kind_states[PRODUCTS].pause._turn(None)


async def _hold(h: NotifiedHarness) -> None:
    name = h.context.vault.encrypt("Jane Doe's jumper")
    row = _of_products(h, external_id="8", variant="", decided_at=0.0, encrypted=name)
    await h.write(insert(tables.removals).values(**row, cause=RemovalCause.DELETED, state=RemovalState.HELD))


async def _park(h: NotifiedHarness) -> None:
    error = h.context.vault.encrypt("jane@example.com is taken")
    row = _of_products(h, external_id="9", lane=0, due_at=0.0, revision=1, attempts=400, first_queued_at=0.0)
    await h.write(insert(tables.outbox).values(**row, state="parked", encrypted=error))


async def _run(h: NotifiedHarness, *, succeeded: bool) -> None:
    row = _of_products(h, mode=RunMode.NORMAL, state=RunState.ENDED, started_at=1.0, enumerated_at=2.0)
    counts = {"seen": 9, "done": 7, "failed": 2, "held_removals": 0}
    await h.write(insert(tables.full_syncs).values(**row, **counts, finished_at=3.0, succeeded=succeeded))


async def _fail_run(h: NotifiedHarness) -> None:
    await _run(h, succeeded=False)


async def _end_run(h: NotifiedHarness) -> None:
    await _run(h, succeeded=True)


async def _register(h: NotifiedHarness, missing: int) -> None:
    why = {f"scope {number}": "Jane Doe says no" for number in range(missing)}
    found = StoredRegistration(
        connection_id=h.context.connection.id,
        registered=3,
        missing=missing,
        looked_at=1.0,
        encrypted=h.context.vault.encrypt({"missing": why, "trouble": None}),
    )
    await h.daemon.database.write(registrations.store, found)


async def _lose_webhooks(h: NotifiedHarness) -> None:
    await _register(h, 2)


async def _mend_webhooks(h: NotifiedHarness) -> None:
    await _register(h, 0)


async def open_issue(h: NotifiedHarness, external_id: str = "7", text: str = "Jane Doe has no SKU") -> None:
    content = {"problems": [["code", text]], "name": text, "url": None}
    row = _of_products(h, external_id=external_id, fingerprint=b"", encrypted=h.context.vault.encrypt(content))
    told = {"untold": False, "maybe_told": False, "opened_at": h.daemon.lifecycle.now()}
    await h.write(insert(tables.issues).values(**row, **told))


def _empty(table: Any) -> Callable[[NotifiedHarness], Awaitable[None]]:
    async def run(h: NotifiedHarness) -> None:
        await h.write(delete(table))

    return run


Step = Callable[[NotifiedHarness], Awaitable[None]]

CONDITIONS: Mapping[str, tuple[Event, Step, Step]] = {
    "blocked": (Event.BLOCKED, _block, _unblock),
    "a kind blocked": (Event.BLOCKED, _block_products, _unblock_products),
    "removals held": (Event.REMOVALS_HELD, _hold, _empty(tables.removals)),
    "parked": (Event.PARKED, _park, _empty(tables.outbox)),
    "full sync failed": (Event.FULL_SYNC_FAILED, _fail_run, _end_run),
    "webhooks missing": (Event.WEBHOOKS_MISSING, _lose_webhooks, _mend_webhooks),
    "issues": (Event.ISSUES, open_issue, _empty(tables.issues)),
}
"""Each condition by name: its event, and how it begins and ends."""
