"""No secret is readable in the database, and key rotation leaves fingerprints unchanged."""

# ruff: noqa: ASYNC240  small files

from pathlib import Path

import pytest

from daemon.errors import ConfigError
from daemon.model import Secret, Site
from daemon.model.outcome import IssueRow
from daemon.storage import connections
from daemon.storage.connections import Adopt
from daemon.storage.database import open_database
from daemon.storage.settle import RetryLater
from daemon.storage.vault import Fingerprint, Vault, heartbeat, load_fingerprint
from tests.databases import new_database
from tests.storage.harness import StorageHarness, settled

OLD, NEW = Secret("the earlier key, long enough"), Secret("the later key, long enough")
TREASURE = "Mrs-Robinson-12-Elm-Street"


async def test_neither_credentials_nor_texts_can_be_read_in_the_files(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    vault = Vault([OLD])
    async with open_database(path) as database:
        encrypted = vault.encrypt({"client_secret": TREASURE})
        await database.write(
            connections.adopt, Adopt(site=Site("test", "shop"), platform="fake", encrypted=encrypted, now=0.0)
        )
        harness = await StorageHarness.build(database, "other")
        print_ = await load_fingerprint(database, vault)
        await harness.record("1", "2")
        first, second = await harness.claim()
        issue = IssueRow(print_(TREASURE), vault.encrypt({"problems": [["bad", TREASURE]]}))
        await harness.settle(done=[settled(first, issue=issue)])
        await harness.settle(again=[RetryLater(claim=second, due_at=9.0, error=vault.encrypt(TREASURE))])
        everything = b"".join(file.read_bytes() for file in tmp_path.iterdir())
        assert b"shop" in everything, "the write-ahead log was looked at too"
        for secret in (TREASURE, OLD.reveal(), TREASURE.encode().hex()):
            assert secret.encode() not in everything
    assert TREASURE.encode() not in path.read_bytes()


def test_the_first_key_encrypts_and_every_key_decrypts() -> None:
    encrypted = Vault([OLD]).encrypt({"a": [1, "ü"]})
    assert Vault([NEW, OLD]).decrypt(encrypted) == {"a": [1, "ü"]}
    assert Vault([NEW]).decrypt(Vault([NEW, OLD]).encrypt("x")) == "x"
    assert encrypted != Vault([OLD]).encrypt({"a": [1, "ü"]})


def test_a_key_that_is_missing_is_named_in_one_line() -> None:
    encrypted = Vault([OLD]).encrypt("x")
    with pytest.raises(ConfigError, match=r"security\.secret_keys") as error:
        Vault([NEW]).decrypt(encrypted)
    assert "\n" not in str(error.value)
    with pytest.raises(ConfigError):
        Vault([OLD]).decrypt(b"not encrypted at all")


@pytest.mark.usefixtures("both_engines")
async def test_fingerprints_survive_the_rotation_of_keys() -> None:
    database = new_database()
    before = await load_fingerprint(database, Vault([OLD]))
    after = await load_fingerprint(database, Vault([NEW, OLD]))
    assert before({"a": 1}) == after({"a": 1})
    with pytest.raises(ConfigError):
        await load_fingerprint(database, Vault([NEW]))
    other = new_database()
    assert (await load_fingerprint(other, Vault([OLD])))({"a": 1}) != before({"a": 1}), "another key for each database"
    database.close()
    other.close()


def test_fingerprints_tell_values_apart() -> None:
    fingerprint = Fingerprint(b"k" * 32)
    values = ["1", 1, ["1"], ("1", "2"), {"a": "1"}, None, "", 1.5]
    prints = {fingerprint(value) for value in values}
    assert len(prints) == len(values)
    assert all(len(one) == 16 for one in prints)


@pytest.mark.usefixtures("both_engines")
async def test_the_heartbeat_writes() -> None:
    database = new_database()
    await database.write(heartbeat, None)
    await database.write(heartbeat, None)
    database.close()
