"""A site is linked to one store for good: credentials may change, the store may not."""

from collections.abc import Iterator, Sequence

import pytest
from attrs import evolve
from sqlalchemy import Connection as Database
from sqlalchemy import update

from daemon.config import ConnectionSettings, Settings
from daemon.config.settings import SecuritySettings
from daemon.errors import ConfigError
from daemon.links import Links
from daemon.model import Connection, Secret
from daemon.platforms import load_platforms
from daemon.platforms.bigcommerce.settings import BigCommerceSettings
from daemon.storage import connections
from daemon.storage.database import InlineDatabase
from daemon.storage.tables import connections as connections_table
from daemon.storage.vault import Vault

KEY = Secret("a key of the tests")
VAULT = Vault([KEY])
BIGCOMMERCE = load_platforms()["bigcommerce"]
PLATFORMS = {"bigcommerce": BIGCOMMERCE, "another": evolve(BIGCOMMERCE, name="another")}
STORE = BigCommerceSettings(store_hash="abc123", access_token=Secret("token-1"))
LINK = ConnectionSettings(
    site_env="live", site_id="x", client_id="id", client_secret=Secret("s"), platform="bigcommerce", store=STORE
)


@pytest.fixture
def database() -> Iterator[InlineDatabase]:
    found = InlineDatabase()
    yield found
    found.close()


async def adopted(database: InlineDatabase, link: ConnectionSettings) -> list[Connection]:
    settings = Settings(security=SecuritySettings(secret_keys=(KEY,)), connections=(link,))
    return await Links(settings, VAULT, PLATFORMS).adopt_all(database, 1.0)


async def test_a_connection_keeps_its_id_and_webhook_secret_when_its_credentials_change(
    database: InlineDatabase,
) -> None:
    [first] = await adopted(database, LINK)
    changed = evolve(STORE, access_token=Secret("token-2"), api_url="https://proxy.example.com")
    [second] = await adopted(database, evolve(LINK, client_id="id-2", store=changed))
    assert (second.id, second.store.webhook_secret) == (first.id, first.store.webhook_secret)
    assert second.store.access_token.reveal() == "token-2"


@pytest.mark.parametrize(
    "other",
    [evolve(LINK, store=evolve(STORE, store_hash="def456")), evolve(LINK, platform="another")],
    ids=["store", "platform"],
)
async def test_another_store_for_a_site_is_refused_and_nothing_is_changed(
    database: InlineDatabase, other: ConnectionSettings
) -> None:
    [first] = await adopted(database, LINK)
    with pytest.raises(
        ConfigError, match=r"^connections: live/x was .* \(bigcommerce.*\); .*database file$"
    ) as refused:
        await adopted(database, other)
    assert "\n" not in str(refused.value)
    assert await adopted(database, LINK) == [first]


async def test_a_site_that_was_disconnected_stays_so_whatever_store_is_named(database: InlineDatabase) -> None:
    def disconnect(conn: Database, calls: Sequence[str]) -> list[None]:
        conn.execute(update(connections_table).values(state=calls[0]))
        return [None]

    await adopted(database, LINK)
    await database.write(disconnect, "gone")
    assert await adopted(database, evolve(LINK, store=evolve(STORE, store_hash="def456"))) == []
    [stored] = await database.read(connections.everyone)
    assert stored.state == "gone"
