"""A bench at rest that others begin as, see `tests.engine.fakes`."""

import copy
import sqlite3
from collections.abc import Mapping
from typing import Any

import trio
from attrs import frozen

from daemon.sandbox.sparklayer.api import SparkLayer
from daemon.storage.database import Storage
from tests.contract import CONTRACT
from tests.databases import WatchedDatabase


@frozen
class Warm:
    """A bench at rest that other benches begin as, to spare them its work. In SQLite only."""

    entities: Mapping[str, Any]
    site: SparkLayer
    database: sqlite3.Connection
    time: float

    @classmethod
    def of(cls, entities: Mapping[str, Any], site: SparkLayer, storage: Storage) -> "Warm":
        """Return the present state of a bench, which may go on."""
        assert isinstance(storage, WatchedDatabase)
        database = sqlite3.connect(":memory:", check_same_thread=False)
        storage.file.backup(database)
        return cls(dict(entities), _copied(site), database, trio.current_time())

    async def poured(self, storage: WatchedDatabase) -> SparkLayer:
        """Put its rows into a database; return its site, at a time after them."""
        self.database.backup(storage.file)
        await trio.sleep_until(self.time)
        return _copied(self.site)


def _copied(site: SparkLayer) -> SparkLayer:
    return copy.deepcopy(site, {id(CONTRACT): CONTRACT})
