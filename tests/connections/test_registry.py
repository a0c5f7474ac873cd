"""The settings may change a site's credentials and how its store is read, but not the store itself."""

from collections.abc import Sequence
from typing import NoReturn

import pytest
from attrs import evolve
from sqlalchemy import Connection as Database
from sqlalchemy import select, update

from daemon.config import ConnectionSettings, Settings
from daemon.config.settings import SecuritySettings
from daemon.connections.registry import Registry
from daemon.errors import ConfigError, StorageTrouble
from daemon.model import Connection, Kind, Secret
from daemon.platforms import load_platforms
from daemon.platforms.bigcommerce.settings import BigCommerceSettings
from daemon.storage import connections
from daemon.storage.connections import Leave
from daemon.storage.full_syncs import Start, start
from daemon.storage.states import RunMode
from daemon.storage.tables import full_syncs
from daemon.storage.vault import Vault
from tests.databases import InlineDatabase

KEY = Secret("a key of the tests")
VAULT = Vault([KEY])
BIGCOMMERCE = load_platforms()["bigcommerce"]
PLATFORMS = {"bigcommerce": BIGCOMMERCE, "another": evolve(BIGCOMMERCE, name="another")}
STORE = BigCommerceSettings(store_hash="abc123", access_token=Secret("token-1"))
LINK = ConnectionSettings(
    site_env="live", site_id="x", client_id="id", client_secret=Secret("s"), platform="bigcommerce", store=STORE
)


@pytest.fixture
def database(inline: InlineDatabase) -> InlineDatabase:
    return inline


async def adopted(database: InlineDatabase, link: ConnectionSettings) -> list[Connection]:
    settings = Settings(security=SecuritySettings(secret_keys=(KEY,)), connections=(link,))
    return await Registry(settings, database, VAULT, PLATFORMS).adopt_all(1.0)


async def test_a_connection_keeps_its_id_and_webhook_secret_when_its_credentials_change(
    database: InlineDatabase,
) -> None:
    [first] = await adopted(database, LINK)
    changed = evolve(STORE, access_token=Secret("token-2"), api_url="https://proxy.example.com")
    [second] = await adopted(database, evolve(LINK, client_id="id-2", store=changed))
    assert (second.id, second.store.webhook_secret) == (first.id, first.store.webhook_secret)
    assert second.store.access_token.reveal() == "token-2"


async def test_a_start_with_the_same_settings_leaves_the_stored_connection_as_it_is(database: InlineDatabase) -> None:
    """Else each start of a node would change every connection for all nodes, and wait for locks of their webhooks."""
    await adopted(database, LINK)
    [before] = await database.read(connections.everyone)
    await adopted(database, LINK)
    assert await database.read(connections.everyone) == [before]
    await adopted(database, evolve(LINK, client_id="id-2"))
    assert await database.read(connections.everyone) != [before]


def _runs(conn: Database) -> list[tuple[str, bool]]:
    """Return the full syncs by kind, with the mark to run again."""
    c = full_syncs.c
    return [(row.kind, row.again) for row in conn.execute(select(c.kind, c.again).order_by(c.id))]


async def _read_whole(database: InlineDatabase, connection: Connection, *kinds: Kind) -> None:
    for kind in kinds:
        await database.write(start, Start(connection_id=connection.id, kind=kind, mode=RunMode.NORMAL, now=1.0))
    await database.write(_end, None)


def _end(conn: Database, calls: Sequence[None]) -> list[None]:
    conn.execute(update(full_syncs).values(state="ended"))
    return list(calls)


CHANGES = {
    "groups": evolve(LINK, store=evolve(STORE, b2b_customer_groups=(3, 4))),
    "names of groups": evolve(LINK, store=evolve(STORE, customer_group_mapping={3: "vip"})),
    "staff notes": evolve(LINK, store=evolve(STORE, order_staff_notes_pattern="cart (.+)")),
    "stock location": evolve(LINK, stock_location="annex"),
}


@pytest.mark.parametrize("changed", CHANGES.values(), ids=CHANGES)
async def test_changed_settings_have_what_was_read_before_read_once_more(
    database: InlineDatabase, changed: ConnectionSettings
) -> None:
    [connection] = await adopted(database, LINK)
    await _read_whole(database, connection, Kind.PRODUCTS, Kind.CUSTOMERS)
    for _ in range(2):
        await adopted(database, changed)
        assert (await database.read(_runs))[2:] == [("customers", False), ("products", False)]
    await adopted(database, LINK)
    assert (await database.read(_runs))[2:] == [("customers", True), ("products", True)], "and back again"


async def test_credentials_alone_have_nothing_read(database: InlineDatabase) -> None:
    [connection] = await adopted(database, LINK)
    await _read_whole(database, connection, Kind.PRODUCTS)
    changed = evolve(STORE, access_token=Secret("a"), client_secret=Secret("b"), webhook_secret=Secret("c"))
    for store in (changed, STORE):
        await adopted(database, evolve(LINK, client_id="id-2", client_secret=Secret("s-2"), store=store))
    assert await database.read(_runs) == [("products", False)]


async def test_settings_of_a_site_that_was_disconnected_start_nothing(database: InlineDatabase) -> None:
    [connection] = await adopted(database, LINK)
    await _read_whole(database, connection, Kind.PRODUCTS)
    await database.write(connections.leave, Leave(site=connection.site, now=2.0))
    assert await adopted(database, CHANGES["groups"]) == []
    assert await database.read(_runs) == [("products", False)]


async def test_changed_settings_and_their_runs_are_stored_together_or_not_at_all(
    database: InlineDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    [connection] = await adopted(database, LINK)
    await _read_whole(database, connection, Kind.PRODUCTS)
    with monkeypatch.context() as trouble:
        trouble.setattr(connections, "start", _fails)
        with pytest.raises(StorageTrouble):
            await adopted(database, CHANGES["groups"])
    await adopted(database, CHANGES["groups"])
    assert (await database.read(_runs))[1:] == [("products", False)]


def _fails(*_: object) -> NoReturn:
    raise StorageTrouble("the disk is full", reason="full")


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
