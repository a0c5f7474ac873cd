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

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Connection, select, update

from daemon.errors import ConfigError
from daemon.model import Secret
from daemon.storage.database import Storage
from daemon.storage.tables import meta
from daemon.storage.upsert import insert


class Vault:
    """Encrypts and decrypts values with the configured keys."""

    def __init__(self, keys: Sequence[Secret]) -> None:
        self._fernet = MultiFernet([Fernet(_stretched(key)) for key in keys])

    def encrypt(self, value: object) -> bytes:
        """Encrypt a value that JSON can hold."""
        return self._fernet.encrypt(msgspec.json.encode(value))

    def renew(self, encrypted: bytes) -> bytes:
        """Encrypt a value again, with the first key. Raises ConfigError when no key decrypts it."""
        return self.encrypt(self.decrypt(encrypted))

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


def _stretched(key: Secret) -> bytes:
    # Without a salt: the same key must give the same result in every process.
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"ignite-sync vault").derive(key.reveal().encode())
    return base64.urlsafe_b64encode(derived)
