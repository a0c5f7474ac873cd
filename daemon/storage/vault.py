"""Encryption of what must not lie readable in the database.

The first key encrypts, every key decrypts, so that keys can be rotated without downtime. A key is any text; it is
stretched by HKDF, which is right for random keys and wrong for passwords, hence the minimum length in the
configuration. `Fingerprint` is the keyed hash of the ledger: its own random key is stored encrypted, so rotating the
vault's keys changes no fingerprint.
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


class Vault:
    """Seals and opens bytes with the configured keys."""

    def __init__(self, keys: Sequence[Secret]) -> None:
        self._fernet = MultiFernet([Fernet(_stretched(key)) for key in keys])

    def encrypt(self, value: object) -> bytes:
        """Encrypt anything JSON can hold."""
        return self._fernet.encrypt(msgspec.json.encode(value))

    def renew(self, encrypted: bytes) -> bytes:
        """Encrypt with the first key what any of the keys decrypts. Raises ConfigError when none of them fits."""
        return self.encrypt(self.decrypt(encrypted))

    def decrypt(self, encrypted: bytes) -> object:
        """Decrypt what `seal` made. Raises ConfigError when none of the keys fits."""
        try:
            return msgspec.json.decode(self._fernet.decrypt(encrypted))
        except InvalidToken as error:
            raise ConfigError(
                "security.secret_keys: none of the keys opens the database; put the earlier key into the list"
            ) from error


class Fingerprint:
    """A keyed hash of values: equal values, equal prints; nobody without the key can test a guess."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._encode = msgspec.json.Encoder(decimal_format="string").encode

    def __call__(self, value: object) -> bytes:
        """Return 16 bytes for anything msgspec can encode."""
        return hashlib.blake2b(self._encode(value), digest_size=16, key=self._key).digest()


async def load_fingerprint(storage: Storage, vault: Vault) -> Fingerprint:
    """Read the fingerprint key, making one in a new database."""
    encrypted = await storage.write(_stored_or, vault.encrypt(secrets.token_hex(32)))
    return Fingerprint(bytes.fromhex(str(vault.decrypt(encrypted))))


def heartbeat(conn: Connection, calls: Sequence[None]) -> list[None]:
    """Show that the database can be written, by writing a row as it is."""
    conn.execute(update(meta).values(name=meta.c.name))
    return [None] * len(calls)


def _stored_or(conn: Connection, calls: Sequence[bytes]) -> list[bytes]:
    found = conn.execute(select(meta.c.encrypted).where(meta.c.name == "fingerprint_key")).scalar()
    if found is None:
        found = calls[0]
        conn.execute(meta.insert().values(name="fingerprint_key", encrypted=found))
    return [found] * len(calls)


def _stretched(key: Secret) -> bytes:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"ignite-sync vault").derive(key.reveal().encode())
    return base64.urlsafe_b64encode(derived)
