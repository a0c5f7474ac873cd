"""The database file of a daemon that does not run: commands ask it the same operations as a running daemon.

The file is locked meanwhile, so that no daemon starts in between. If a daemon has it, the command ends with one line.
"""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

from daemon.app import compose
from daemon.cli import stopping
from daemon.cli.client import Daemon, RefusedError
from daemon.config import Settings
from daemon.errors import CallerError, ConfigError, raise_config_error
from daemon.observability.metrics import Metrics
from daemon.storage.database import open_database


class Offline(Daemon):
    """Answers calls of /admin in this process. Raises ConfigError, and RefusedError for an impossible operation."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.listener)
        self._settings = settings

    def _call(self, method: str, path: str, order: Any = None) -> Any:
        file = self._settings.database.path
        if not file.exists():
            raise ConfigError(f"database {file}: there is none yet; start the daemon with: ignite-sync run")
        asked = urlsplit(path)

        async def answered() -> Any:
            async with open_database(file) as database:
                admin = (await compose(self._settings, database, Metrics())).admin
                try:
                    return await admin.operations[method, asked.path](order or dict(parse_qsl(asked.query)))
                except CallerError as error:
                    return error  # raised below, since the database's nursery would wrap it

        try:
            answer = stopping.run(answered)
        except BaseExceptionGroup as group:  # nurseries wrap a ConfigError too; anything else is raised as it is
            raise_config_error(group)
            raise
        if isinstance(answer, CallerError):
            raise RefusedError(str(answer))
        return answer
