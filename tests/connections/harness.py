"""A daemon's connections without a network: a fake platform with an app, real storage, and prepared answers about keys.

    async with open_harness() as harness:
        await harness.connect("a", "store-1", "key-1")
        assert await harness.states("a") == ["active"]
        harness = await harness.restarted(link("a", "store-1"))      # the same database, perhaps with other settings

Runners and clean-ups are built as in the daemon; none runs until a test starts it.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from operator import attrgetter
from typing import Any, cast

import trio
from attrs import define, frozen

from daemon.admin.service import AdminService
from daemon.composition import compose
from daemon.config import ConnectionSettings, Settings
from daemon.config.settings import ListenerSettings, SecuritySettings
from daemon.connections.app_visits import AppVisits
from daemon.connections.events import Events
from daemon.connections.guests import Guests
from daemon.connections.intake import Intake
from daemon.connections.lifecycle import Lifecycle
from daemon.connections.registry import KnownStore
from daemon.connections.teardown import Teardown
from daemon.connections.tenure import Tenure, Work
from daemon.connections.wakeups import Wakeups
from daemon.engine.runner import ConnectionRunner
from daemon.engine.supervisor import Supervisor
from daemon.errors import Failure
from daemon.model import ApiKey, Connection, ConnectionId, Kind, Secret, Site
from daemon.observability.metrics import Metrics
from daemon.platforms.apps import Installed, TypedKeys, Uninstalled, Visit
from daemon.platforms.base import Delivery, PlatformType
from daemon.storage import connections
from daemon.storage.connections import Stored
from daemon.storage.database import Database
from tests.databases import InlineDatabase, new_database
from tests.engine.fakes import Shop

KEY = Secret("a key of the tests")
TOKEN = "token-1"


Knows = Callable[[Site, ApiKey], Awaitable[bool | None]]


Attempt = Callable[[Site, KnownStore], Awaitable[Failure | None]]


async def _lets_all_in(_site: Site, _known: KnownStore) -> None:
    return None


async def _knows_all(_site: Site, _key: ApiKey) -> bool:
    return True


@frozen(kw_only=True)
class StoreSettings:
    """The settings of `[connections.fake]`."""

    name: str
    token: Secret
    groups: tuple[int, ...] = ()
    webhook_secret: Secret | None = None


class FakeShop(Shop):
    """A store whose webhooks may fail to be removed: `failures["remove_webhooks"]`."""

    def __init__(self) -> None:
        super().__init__()
        self.removed: list[str] = []

    async def remove_webhooks(self, destination: str) -> None:
        await self._called("remove_webhooks")
        self.removed.append(destination)


@frozen
class FakeApp:
    """An app that merchants install."""

    def install_url(self, store_id: str, _state: str) -> str:
        return f"https://login.test/{store_id}"

    async def visit(self, page: str, query: Mapping[str, str], body: bytes = b"") -> Visit:
        raise NotImplementedError  # Only the listener's tests visit the app.

    async def aclose(self) -> None:
        """Nothing to close."""


class Elsewhere:
    """The tenure of a process whose connections all belong to another one."""

    beat_age: float | None = None

    def ownership(self, _connection_id: ConnectionId) -> None:
        return None

    def now(self) -> float:
        return 0.0

    def wake(self) -> None:
        pass

    async def run(self, work: Work) -> None:
        raise NotImplementedError

    def finish(self) -> None:
        raise NotImplementedError


class Deaf:
    """A webhook reader that no test uses."""

    def __init__(self, settings: StoreSettings) -> None:
        self.settings = settings

    def verify(self, headers: Mapping[bytes, bytes], body: bytes) -> bool:
        raise NotImplementedError  # a test that brings this about is wrong

    def read(self, headers: Mapping[bytes, bytes], body: bytes) -> Delivery:
        raise NotImplementedError  # a test that brings this about is wrong

    def is_ping(self, headers: Mapping[bytes, bytes], body: bytes) -> bool:
        raise NotImplementedError  # a test that brings this about is wrong


def store(name: str, token: str = TOKEN, **more: Any) -> StoreSettings:
    return StoreSettings(name=name, token=Secret(token), **more)


def _typed(name: str, extra_config: Mapping[str, object]) -> StoreSettings | None:
    """Return the store with a typed token."""
    return store(name, str(extra_config["token"])) if extra_config.get("token") else None


async def _unused(*_: object) -> None:
    raise NotImplementedError  # `attempt` takes its place


def site(name: str) -> Site:
    return Site("test", name)


def api_key(secret: str) -> ApiKey:
    return ApiKey(client_id="id", client_secret=Secret(secret))


def link(name: str, store_name: str, key: str = "key-1", **more: Any) -> ConnectionSettings:
    """Configure a site."""
    return ConnectionSettings(
        site_env="test",
        site_id=name,
        client_id="id",
        client_secret=Secret(key),
        platform="fake",
        store=store(store_name, **more),
    )


@define
class LifecycleHarness:
    """The parts of a daemon."""

    database: InlineDatabase
    lifecycle: Lifecycle
    supervisor: Supervisor
    teardown: Teardown
    intake: Intake
    admin: AdminService
    events: Events
    guests: Guests
    shop: FakeShop
    later: list[float]
    """Seconds by which the wall clock is ahead of trio's."""
    knows: Knows
    attempt: Attempt

    @property
    def visits(self) -> AppVisits:
        return AppVisits(self.lifecycle)

    async def connect(self, name: str, store_id: str, key: str = "key-1", token: str = "") -> str | None:
        return await self.lifecycle.connect(site(name), store_id, api_key(key), {"token": token})

    async def install(self, store_id: str, token: str) -> None:
        await self.visits.visited("fake", Installed(store_id=store_id, store=store(store_id, token)))

    async def uninstall(self, store_id: str) -> None:
        await self.visits.visited("fake", Uninstalled(store_id))

    async def rows(self, name: str) -> list[Stored]:
        return await self.database.read(connections.of_site, site(name))

    async def states(self, name: str) -> list[str]:
        return [one.state for one in await self.rows(name)]

    async def present(self, name: str) -> Connection:
        """Return the active connection; check that it runs with the stored credentials and takes webhooks."""
        stored = next(one for one in await self.rows(name) if one.state == "active")
        runner = self.supervisor.find(stored.id)
        assert runner is not None
        assert runner.context.connection == self.lifecycle.registry.decrypted(stored)
        assert self.lifecycle.endpoints[stored.site].connection_id == stored.id
        return runner.context.connection

    def runner(self, name: str) -> ConnectionRunner:
        """Return the runner of a site's connection."""
        runner = self.supervisor.find(self.lifecycle.endpoints[site(name)].connection_id)
        assert runner is not None
        return runner

    async def restarted(self, *registry: ConnectionSettings, app: bool = True) -> "LifecycleHarness":
        """Return the daemon after a restart with these connections configured."""
        return await _open(
            self.database, self.shop, self.later, registry, app=app, knows=self.knows, attempt=self.attempt
        )

    async def beside(self, *registry: ConnectionSettings, tenure: Tenure, wakeups: Wakeups) -> "LifecycleHarness":
        """Return another daemon on the same database."""
        return await _open(
            self.database,
            self.shop,
            self.later,
            registry,
            app=True,
            knows=self.knows,
            attempt=self.attempt,
            tenure=tenure,
            wakeups=wakeups,
        )


async def _open(
    database: InlineDatabase,
    shop: FakeShop,
    later: list[float],
    registry: tuple[ConnectionSettings, ...],
    *,
    app: bool,
    knows: Knows,
    attempt: Attempt,
    tenure: Tenure | None = None,
    wakeups: Wakeups | None = None,
) -> LifecycleHarness:
    platform = PlatformType(
        name="fake",
        label="Fake",
        settings=StoreSettings,
        identity=attrgetter("name"),
        connect=lambda *_: shop,
        reader=Deaf,
        kinds=frozenset({Kind.PRODUCTS}),
        typed_keys=TypedKeys(read=_typed, attempt=_unused),
    )
    settings = Settings(
        security=SecuritySettings(secret_keys=(KEY,)),
        listener=ListenerSettings(public_url="https://here.test"),
        connections=registry,
    )

    def now() -> float:
        return later[0] + trio.current_time()

    daemon = await compose(
        settings,
        cast("Database", database),
        Metrics(),
        platforms={"fake": platform},
        tenure=tenure,
        wakeups=wakeups,
        knows=knows,
        attempt=attempt,
        now=now,
    )
    if app:
        daemon.lifecycle.apps["fake"] = FakeApp()
    await daemon.lifecycle.open_all()
    return LifecycleHarness(
        database=database,
        lifecycle=daemon.lifecycle,
        supervisor=daemon.supervisor,
        teardown=daemon.teardown,
        intake=daemon.intake,
        admin=daemon.admin,
        events=daemon.events,
        guests=daemon.guests,
        shop=shop,
        later=later,
        knows=knows,
        attempt=attempt,
    )


@contextlib.asynccontextmanager
async def open_harness(
    *registry: ConnectionSettings,
    app: bool = True,
    knows: Knows = _knows_all,
    attempt: Attempt = _lets_all_in,
    tenure: Tenure | None = None,
    wakeups: Wakeups | None = None,
) -> AsyncIterator[LifecycleHarness]:
    """Start a daemon with an empty database; SparkLayer `knows` keys, and `tenure` is None for all connections.

    `attempt` is the stores' answer about typed tokens.
    """
    database = new_database()
    yield await _open(
        database, FakeShop(), [0.0], registry, app=app, knows=knows, attempt=attempt, tenure=tenure, wakeups=wakeups
    )
    database.close()
