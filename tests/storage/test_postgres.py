"""PostgreSQL: the promises of the storage with real threads, a real server and the real clock."""

from collections.abc import AsyncIterator

import pytest

from daemon.model import Secret
from daemon.storage.database import Database, open_database
from tests.storage.test_database import names, put

pytestmark = pytest.mark.postgres


@pytest.fixture
async def database(postgres_url: Secret) -> AsyncIterator[Database]:
    async with open_database(postgres_url) as opened:
        yield opened


async def test_x(database: Database) -> None:
    await database.write(put, "a")
    assert await database.read(names) == {"a"}
