"""Encryption at rest, and the keyed hash of the ledger.

The first key encrypts and every key decrypts, so that keys can be rotated without downtime. A key is any text,
stretched by HKDF. That is right for random keys and wrong for passwords: hence the minimum length in the
configuration. The fingerprint's own random key is stored encrypted, so rotating the vault's keys changes no
fingerprint.
"""

import base64
import hashlib
import secrets
from collections.abc import Sequence
from typing import Any

import msgspec
from attrs import field, frozen
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Connection, Table, select, update

from daemon.errors import ConfigError
from daemon.model import Secret
from daemon.storage.database import Storage
from daemon.storage.group_commit import one_by_one
from daemon.storage.tables import meta, metadata
from daemon.storage.upsert import insert


class Vault:
    """Encrypts and decrypts values with the configured keys."""

    def __init__(self, keys: Sequence[Secret]) -> None:
        self._fernet = MultiFernet([Fernet(_stretched(key)) for key in keys])

    def encrypt(self, value: object) -> bytes:
        """Encrypt a value that JSON can hold."""
        return self._fernet.encrypt(msgspec.json.encode(value))

    def decrypt(self, encrypted: bytes) -> object:
        """Decrypt what `encrypt` returned. Raises ConfigError when no key fits."""
        try:
            return msgspec.json.decode(self._fernet.decrypt(encrypted))
        except InvalidToken as error:
            raise ConfigError(
                "security.secret_keys: none of the keys opens the database; put the earlier key into the list"
            ) from error


class Fingerprint:
    """A keyed hash of values: equal values, equal fingerprints. Without the key, a guess cannot be tested."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._encode = msgspec.json.Encoder(decimal_format="string").encode

    def __call__(self, value: object) -> bytes:
        """Return 16 bytes for anything msgspec can encode."""
        return hashlib.blake2b(self._encode(value), digest_size=16, key=self._key).digest()


async def load_fingerprint(storage: Storage, vault: Vault) -> Fingerprint:
    """Read the fingerprint's key, or make one in a new database."""
    encrypted = await storage.write(_stored_or, vault.encrypt(secrets.token_hex(32)))
    return Fingerprint(bytes.fromhex(str(vault.decrypt(encrypted))))


def heartbeat(conn: Connection, calls: Sequence[None]) -> list[None]:
    """Show that the database can be written, by writing a row with the values that it has."""
    # A transaction that only reads would not touch the disk.
    conn.execute(update(meta).values(name=meta.c.name))
    return [None] * len(calls)


def _stored_or(conn: Connection, calls: Sequence[bytes]) -> list[bytes]:
    # Two nodes may start on one new database: the first key that is committed counts.
    row = {"name": "fingerprint_key", "encrypted": calls[0]}
    conn.execute(insert(meta).on_conflict_do_nothing(), [row])
    stored = conn.execute(select(meta.c.encrypted).where(meta.c.name == row["name"])).scalar_one()
    return [stored] * len(calls)


@frozen
class Renewed:
    """A row's value, encrypted again."""

    table: Table
    key: tuple[Any, ...]
    before: bytes = field(repr=False)
    after: bytes = field(repr=False)


async def renew_encryption(storage: Storage, vault: Vault) -> None:
    """Encrypt everything again with the first key, so that the others may be taken out.

    Raises ConfigError when no key decrypts a row, and StorageTrouble.
    """
    for table in metadata.sorted_tables:
        if "encrypted" in table.columns:
            # A commit for each row holds up no webhook; a rotation that is killed is repeated at the next start.
            for key, encrypted in await storage.read(_encrypted, table):
                await storage.write(_renew, Renewed(table, key, encrypted, vault.encrypt(vault.decrypt(encrypted))))


def _encrypted(conn: Connection, table: Table) -> list[tuple[tuple[Any, ...], bytes]]:
    rows = conn.execute(select(*table.primary_key.columns, table.c.encrypted).where(table.c.encrypted.is_not(None)))
    return [(tuple(row[:-1]), row[-1]) for row in rows]


@one_by_one
def _renew(conn: Connection, call: Renewed) -> None:
    row = [column == value for column, value in zip(call.table.primary_key.columns, call.key, strict=True)]
    # A row that has changed since it was read has a new value, which the first key has encrypted.
    unchanged = call.table.c.encrypted == call.before
    conn.execute(update(call.table).where(*row, unchanged).values(encrypted=call.after))


def _stretched(key: Secret) -> bytes:
    # Without a salt: the same key must give the same result in every process.
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"ignite-sync vault").derive(key.reveal().encode())
    return base64.urlsafe_b64encode(derived)
