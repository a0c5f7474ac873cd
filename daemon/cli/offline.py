"""The database of a daemon that does not run: commands ask it the same operations as a running daemon.

A file is locked meanwhile, also while `explain` waits for the store. A daemon that starts in between ends with 1, and
its supervisor starts it again. If a daemon has the file, the command ends with one line. On PostgreSQL several
processes may use the database.
"""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from daemon.app import compose
from daemon.cli import stopping
from daemon.cli.client import Daemon, RefusedError
from daemon.cli.group import Stop
from daemon.config import Settings
from daemon.errors import CallerError, ConfigError, StorageTrouble, raise_config_error
from daemon.model.operators import OFFLINE
from daemon.observability.metrics import Metrics
from daemon.storage.database import open_database


class Offline(Daemon):
    """Answers calls of /admin in this process. Raises ConfigError, and RefusedError for an impossible operation."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.listener)
        self._settings = settings

    def status(self) -> Any:
        """Return the status in the database."""
        return super().status() | {"running": False}

    def _call(self, method: str, path: str, order: Any = None) -> Any:
        place = self._settings.database.place
        if isinstance(place, Path) and not place.exists():
            raise ConfigError(f"database {place}: there is none yet; start the daemon with: ignite-sync run")
        asked = urlsplit(path)

        async def answered() -> Any:
            async with open_database(place, make=False) as database:
                admin = (await compose(self._settings, database, Metrics())).admin
                try:
                    return await admin.operations[method, asked.path](order or dict(parse_qsl(asked.query)), OFFLINE)
                except CallerError as error:
                    return error  # raised below, since the database's nursery would wrap it

        try:
            answer = stopping.run(answered)
        except StorageTrouble as trouble:
            raise Stop(f"database {self._settings.database.shown}: {trouble}") from None
        except BaseExceptionGroup as group:  # nurseries wrap a ConfigError too; anything else is raised as it is
            raise_config_error(group)
            raise
        if isinstance(answer, CallerError):
            raise RefusedError(str(answer))
        return answer
