"""What commands do with the database file of a daemon that does not run.

The file is locked while they do, so that no daemon starts in between; one that has it makes them end with one line.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from attrs import frozen

from daemon.admin import queries
from daemon.admin.status import connection_status
from daemon.cli import stopping
from daemon.config import Settings
from daemon.connections.factory import ConnectionFactory
from daemon.connections.registry import Registry
from daemon.engine.context import SYNCED_KINDS
from daemon.errors import ConfigError, raise_config_error
from daemon.model import Kind
from daemon.observability.metrics import Metrics
from daemon.platforms import load_platforms
from daemon.storage import connections
from daemon.storage.connections import Stored
from daemon.storage.database import Database, open_database
from daemon.storage.vault import Vault, load_fingerprint

T = TypeVar("T")


@frozen
class Offline:
    """Answers the same questions as a running daemon's /admin, as the same JSON values. Raises ConfigError."""

    settings: Settings

    def status(self) -> dict[str, Any]:
        """Return how every connection does."""

        async def read(storage: Database) -> list[dict[str, Any]]:
            everyone = await storage.read(connections.everyone)
            return [await connection_status(storage, stored, None, time.time(), self._vault) for stored in everyone]

        return {"connections": self._run(read)}

    def issues(self, site: str | None) -> dict[str, Any]:
        """Return the open issues of a site, or of all."""

        async def read(storage: Database) -> list[dict[str, Any]]:
            chosen = await self._chosen(storage, site)
            return [
                issue
                for stored in chosen
                for issue in await queries.open_issues(storage, self._vault, stored, SYNCED_KINDS)
            ]

        return {"issues": self._run(read)}

    def parked(self, site: str | None) -> dict[str, Any]:
        """Return the parked changes of a site, or of all."""

        async def read(storage: Database) -> list[dict[str, Any]]:
            chosen = await self._chosen(storage, site)
            return [
                change for stored in chosen for change in await queries.parked_changes(storage, self._vault, stored)
            ]

        return {"parked": self._run(read)}

    def change_parked(self, action: str, site: str, kind: str | None, ids: Sequence[str]) -> dict[str, Any]:
        """Have parked changes tried again at the next start, or give them up."""

        async def change(storage: Database) -> int:
            (stored,) = await self._chosen(storage, site)
            chosen = Kind(kind) if kind else None
            return await queries.change_parked(storage, stored, action, chosen, ids, time.time())

        return {"changed": self._run(change)}

    def removals(self, site: str, kind: str | None) -> dict[str, Any]:
        """Return the held removals of a site, of one kind or of all."""

        async def read(storage: Database) -> list[dict[str, Any]]:
            (stored,) = await self._chosen(storage, site)
            kinds = [Kind(kind)] if kind else SYNCED_KINDS
            return await queries.held_removals(storage, self._vault, stored, kinds)

        return {"removals": self._run(read)}

    def allow_removals(self, site: str, kind: str, ids: Sequence[str]) -> dict[str, Any]:
        """Let held removals go at the next start."""

        async def allow(storage: Database) -> int:
            (stored,) = await self._chosen(storage, site)
            return await queries.allow_removals(storage, stored, Kind(kind), ids, time.time())

        return {"allowed": self._run(allow)}

    def explain(self, site: str, kind: str, text: str, *, by_id: bool = False) -> dict[str, Any]:
        """Ask the store and the database about what a person calls `text`, or about that id."""

        async def ask(storage: Database) -> dict[str, Any]:
            (stored,) = await self._chosen(storage, site)
            platforms = load_platforms()
            factory = ConnectionFactory(
                settings=self.settings,
                storage=storage,
                vault=self._vault,
                fingerprint=await load_fingerprint(storage, self._vault),
                metrics=Metrics(),
                platforms=platforms,
            )
            runner = factory.runner(Registry(self.settings, self._vault, platforms).opened(stored))
            try:
                ask_about = queries.explain if by_id else queries.explain_called
                return await ask_about(stored, runner, Kind(kind), text)
            finally:
                await runner.context.platform.aclose()
                await runner.context.sparklayer.aclose()

        return self._run(ask)

    @property
    def _vault(self) -> Vault:
        return Vault(self.settings.security.secret_keys)

    async def _chosen(self, storage: Database, site: str | None) -> list[Stored]:
        """Return the connections that are meant. Raises ConfigError when there is none of that name."""
        everyone = [one for one in await storage.read(connections.everyone) if one.state != "gone"]
        chosen = [one for one in everyone if site in {None, str(one.site)}]
        if site is not None and not chosen:
            known = ", ".join(str(one.site) for one in everyone) or "none"
            raise ConfigError(f"no connection {site} in {self.settings.database.path}; there are: {known}")
        return chosen

    def _run(self, ask: Callable[[Database], Awaitable[T]]) -> T:
        path = self.settings.database.path
        if not path.exists():
            raise ConfigError(f"database {path}: there is none yet; start the daemon with: ignite-sync run")

        async def opened() -> T:
            async with open_database(path) as storage:
                return await ask(storage)

        try:
            return stopping.run(opened)
        except BaseExceptionGroup as group:  # nurseries wrap a ConfigError too; anything else goes on
            raise_config_error(group)
            raise
