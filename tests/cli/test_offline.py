"""Commands on a database file: the admin operations of a daemon that does not run, and its errors."""

from pathlib import Path

import pytest
import trio

from daemon.cli.client import RefusedError
from daemon.cli.offline import Offline
from daemon.config import Settings
from daemon.config.settings import DatabaseSettings, SecuritySettings
from daemon.errors import ConfigError
from daemon.model import Secret
from daemon.storage.database import open_database


def test_a_database_file_answers_or_refuses_as_the_daemon_does(tmp_path: Path) -> None:
    settings = Settings(
        security=SecuritySettings(secret_keys=(Secret("a key of the tests"),)),
        database=DatabaseSettings(url=f"sqlite:///{tmp_path}/sync.db"),
    )
    offline = Offline(settings)
    with pytest.raises(ConfigError, match="there is none yet"):
        offline.issues(None)

    async def create() -> None:
        async with open_database(settings.database.path):
            pass

    trio.run(create)
    assert offline.status() == {"connections": [], "running": False}
    assert offline.parked(None) == {"parked": []}
    with pytest.raises(RefusedError, match=r"^no connection test/a; there are: none$"):
        offline.removals("test/a", "products")
    with pytest.raises(RefusedError, match=r"^action: must be one of retry, drop$"):
        offline.change_parked("burn", "test/a", None, [])
