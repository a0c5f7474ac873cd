"""Signed texts: what they say can be read by anyone, and only this daemon can have written it.

No node stores them, and every node recognises them. The first of `secret_keys` signs; a text ends when the key that
signed it leaves them. A text of one class is never taken for one of another; the class's name is signed too, so a new
name ends all texts of the former one.
"""

import base64
import hmac
from collections.abc import Sequence
from typing import TypeVar

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from daemon.model import Secret

T = TypeVar("T", bound=msgspec.Struct)

LONGEST = 2000
"""Characters of a text that are looked at: a site's id and a token's name have a few hundred at most."""


class Signer:
    """Signs and recognises texts."""

    def __init__(self, secret_keys: Sequence[Secret]) -> None:
        # `info` keeps these keys apart from those of the vault, which are derived of the same texts.
        self._keys = [
            HKDF(algorithm=SHA256(), length=32, salt=None, info=b"ignite-sync signed").derive(key.reveal().encode())
            for key in secret_keys
        ]

    def hashes(self, purpose: str, text: str) -> list[str]:
        """Return the keyed hash of a text by each key, that of the first key first."""
        return [hmac.digest(key, f"{purpose}:{text}".encode(), "sha256").hex() for key in self._keys]

    def sign(self, content: msgspec.Struct) -> str:
        """Return a text that says `content`, in characters that a path and a cookie can have."""
        text = base64.urlsafe_b64encode(msgspec.json.encode(content)).decode().rstrip("=")
        return f"{text}.{self.hashes(type(content).__name__, text)[0]}"

    def read(self, signed: str, content: type[T]) -> T | None:
        """Return what a text says; None if it is not ours, or says something else."""
        text, _, signature = signed[:LONGEST].partition(".")
        # Verified before it is decoded, in constant time.
        hashes = self.hashes(content.__name__, text)
        if not any(hmac.compare_digest(signature.encode(), each.encode()) for each in hashes):
            return None
        try:
            return msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=content)
        except msgspec.DecodeError:  # of another release
            return None
