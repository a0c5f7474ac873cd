"""One life of the daemon: composed by `daemon.composition`, with all its real parts except threads and sockets.

    async with trio.open_nursery() as nursery:
        life = Life(...)
        nursery.start_soon(life.run)
        await life.ready.wait()
        response = await life.ask(request)      # as if it had come through the listener
        life.crash()                            # nothing that was not committed survives

It ends by `crash`, by `stop` (as SIGTERM does, returning when all is in peace), or by an error of its own: `ended_by`.
"""

import contextvars
import random
from typing import Any, cast

import structlog
import trio
from attrs import define, field

from daemon.app import FINISH_SECONDS
from daemon.composition import Daemon, build_routes, compose
from daemon.config import ConnectionSettings, Settings
from daemon.config.settings import ListenerSettings, SecuritySettings, SparkLayerSettings, SyncSettings
from daemon.listener.http.messages import Request, Response
from daemon.listener.routes import Routes
from daemon.model import ApiKey, Secret, Site
from daemon.observability.metrics import Metrics
from daemon.platforms import load_platforms
from daemon.storage.database import Database
from tests.prove.simulation.disk import Committed, Disk, Storage
from tests.prove.simulation.network import Connected
from tests.prove.simulation.steady import Clock
from tests.prove.simulation.stores.base import StoreType
from tests.prove.simulation.words import IGNITE_TOKEN, SECRETS, SITE_URL

PUBLIC_URL = "http://127.0.0.1:8080"
log = structlog.get_logger()
_PLATFORMS = load_platforms()


def settings(store: StoreType, sync: SyncSettings) -> Settings:
    """Return the settings of the one connection between the two stand-ins."""
    link = ConnectionSettings(
        site_env="test",
        site_id="sandbox",
        client_id="sandbox-client",
        client_secret=Secret(SECRETS[3]),
        platform=store.platform,
        store=store.settings,
        allow_http=True,
    )
    return Settings(
        listener=ListenerSettings(public_url=PUBLIC_URL, ignite_token=Secret(IGNITE_TOKEN)),
        sparklayer=SparkLayerSettings(test_url=SITE_URL),
        sync=sync,
        security=SecuritySettings(secret_keys=(Secret(SECRETS[4]),)),
        connections=(link,),
    )


@define(eq=False, kw_only=True)
class Life:
    """See the module."""

    settings: Settings
    disk: Disk
    clock: Clock
    connected: Connected
    committed: Committed
    chance: random.Random
    ready: trio.Event = field(factory=trio.Event)
    gone: trio.Event = field(factory=trio.Event)
    ended_by: BaseException | None = None
    crashed: bool = False
    _parts: Daemon | None = None
    _routes: Routes | None = None
    _storage: Storage | None = None
    _nursery: trio.Nursery | None = None
    _scope: trio.CancelScope = field(factory=trio.CancelScope)
    _stop: trio.Event = field(factory=trio.Event)
    _context: contextvars.Context = field(factory=contextvars.copy_context)

    @property
    def parts(self) -> Daemon:
        """The parts, once it is ready."""
        assert self._parts is not None
        return self._parts

    @property
    def takes_requests(self) -> bool:
        """True if it listens."""
        return self.ready.is_set() and not self._stop.is_set() and not self.connected.dead

    async def run(self) -> None:
        """Live."""
        self._context = contextvars.copy_context()
        try:
            with self._scope:
                async with trio.open_nursery() as outer:
                    self._storage = self._open()
                    outer.start_soon(self._storage.run)
                    await self._live(self._storage)
                    outer.cancel_scope.cancel()
        except Exception as error:  # noqa: BLE001  told to whoever watches over lives
            self.ended_by = error
        finally:
            self.connected.dead = True
            self.gone.set()

    def _open(self) -> Storage:
        return Storage(self.disk, self.chance, self.committed)

    def _begin(self, nursery: trio.Nursery, parts: Daemon) -> None:
        """Start the tasks that `daemon.app.serve` starts."""
        nursery.start_soon(parts.supervisor.run)
        nursery.start_soon(parts.teardown.run)

    async def _live(self, storage: Storage) -> None:
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            parts = self._parts = await self._build(storage)
            self._begin(nursery, parts)
            self.ready.set()
            await self._stop.wait()
            parts.tenure.finish()
            parts.supervisor.finish()
            parts.teardown.finish()
            nursery.cancel_scope.deadline = trio.current_time() + FINISH_SECONDS
        await parts.supervisor.aclose()

    async def _build(self, storage: Storage) -> Daemon:
        daemon = await compose(
            self.settings,
            cast("Database", storage),
            Metrics(),
            platforms=_PLATFORMS,
            knows=_knows_all,
            **self._tenure(storage),
        )
        await daemon.lifecycle.open_all()
        self._routes = Routes.of(build_routes(daemon, self.settings), daemon.lifecycle.factory.metrics)
        return daemon

    def _tenure(self, _storage: Storage) -> dict[str, Any]:
        """Return the parts that say which connections this life works on, and what time it is."""
        return {"now": self.clock.wall}

    async def ask(self, request: Request) -> Response | None:
        """Return what the listener answers; None when the daemon does not listen, or dies meanwhile."""
        if not self.takes_requests or self._nursery is None or (routes := self._routes) is None:
            return None
        answers: list[Response] = []
        answered = trio.Event()

        async def handle() -> None:
            answers.append(await routes.answer(request))
            answered.set()

        # As a task of the daemon, not of its caller.
        self._context.run(self._nursery.start_soon, handle)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_first, self.gone, nursery.cancel_scope)
            nursery.start_soon(_first, answered, nursery.cancel_scope)
        return answers[0] if answers and not self.connected.dead else None

    def crash(self) -> None:
        """Die at once."""
        self.crashed = True
        self.connected.dead = True
        if self._storage is not None:
            self._storage.die()
        self._scope.cancel()

    async def stop(self) -> None:
        """Stop as SIGTERM does; return when it is gone."""
        self._stop.set()
        await self.gone.wait()


async def _knows_all(_site: Site, _key: ApiKey) -> bool:
    return True


async def _first(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()
