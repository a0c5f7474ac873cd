"""After a start with a new key before the old one, the old one may leave the configuration."""

from collections.abc import Sequence

import pytest
from sqlalchemy import Connection, select

from daemon.errors import ConfigError
from daemon.model import Secret
from daemon.storage.vault import Vault, load_fingerprint, renew_encryption
from tests.databases import new_database
from tests.storage.harness import TABLES, StorageHarness

ENCRYPTED = {
    "audit",
    "meta",
    "connections",
    "installs",
    "pending_connections",
    "outbox",
    "issues",
    "removals",
    "registrations",
}
OLD, NEW = Secret("the old key of the tests"), Secret("the new key of the tests")


@pytest.mark.usefixtures("both_engines")
async def test_everything_is_encrypted_again() -> None:
    database = new_database()
    before = await load_fingerprint(database, Vault([OLD]))
    harness = await StorageHarness.build(database)
    assert {name for name, table in TABLES.items() if "encrypted" in table.columns} == ENCRYPTED
    await _write_encrypted(harness, Vault([OLD]))
    await renew_encryption(database, Vault([NEW, OLD]))
    only_new = Vault([NEW])
    assert (await load_fingerprint(database, only_new))("x") == before("x")
    for name in ("connections", "issues"):
        rows = await database.read(lambda conn, table=TABLES[name]: conn.execute(select(table.c.encrypted)).all())
        assert [only_new.decrypt(row.encrypted) for row in rows] == [{"of": name}]
    database.close()


@pytest.mark.usefixtures("both_engines")
async def test_a_rotation_that_was_killed_halfway_is_carried_on() -> None:
    database = new_database()
    await load_fingerprint(database, Vault([OLD]))
    harness = await StorageHarness.build(database)
    await _write_encrypted(harness, Vault([OLD]))
    await renew_encryption(database, Vault([NEW, OLD]))
    await database.write(_encrypt_connections, Vault([OLD]))  # As if the re-encryption had not come so far.
    with pytest.raises(ConfigError, match="put the earlier key into the list"):
        await renew_encryption(database, Vault([NEW]))
    await renew_encryption(database, Vault([NEW, OLD]))
    await renew_encryption(database, Vault([NEW]))
    database.close()


async def _write_encrypted(harness: StorageHarness, vault: Vault) -> None:
    """Encrypt every connection with the old key, and open an issue."""

    def write(conn: Connection, calls: Sequence[None]) -> list[None]:
        _encrypt_connections(conn, [vault])
        issue = {"external_id": "1", "fingerprint": b"d", "untold": True, "maybe_told": False, "opened_at": 1.0}
        encrypted = {
            "connection_id": harness.connection_id,
            "kind": "products",
            "encrypted": vault.encrypt({"of": "issues"}),
        }
        conn.execute(TABLES["issues"].insert().values(**issue, **encrypted))
        return [None] * len(calls)

    await harness.storage.write(write, None)


def _encrypt_connections(conn: Connection, calls: Sequence[Vault]) -> list[None]:
    for vault in calls:
        conn.execute(TABLES["connections"].update().values(encrypted=vault.encrypt({"of": "connections"})))
    return [None] * len(calls)
