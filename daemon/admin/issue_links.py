"""Links that show a merchant the issues of one site, without an operator's token.

A link is signed: it names its site and its end, so no node stores it. Anyone who has it may read these issues until
then. It ends early when the key that signed it leaves `secret_keys`.
"""

import base64
import binascii
import hmac
from collections.abc import Callable, Sequence

import msgspec
from attrs import define, field
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from daemon.model import Secret

DAY = 86_400.0
USUAL_DAYS = 7
MOST_DAYS = 90

LONGEST = 2000
"""Characters of a link that are looked at: a site's id has 255 at most."""


class _LinkContent(msgspec.Struct, forbid_unknown_fields=True):
    site: str
    until: float


@define(eq=False)
class IssueLinks:
    """Makes links and recognises them; `now` is the wall clock."""

    _secret_keys: Sequence[Secret] = field(repr=False)
    _now: Callable[[], float]
    _keys: list[bytes] = field(init=False, repr=False)

    @_keys.default
    def _derive(self) -> list[bytes]:
        return [_derived(key) for key in self._secret_keys]

    def make(self, site: str, days: int) -> tuple[str, float]:
        """Return the last part of a link's path, and the time of its end."""
        until = self._now() + days * DAY
        text = base64.urlsafe_b64encode(msgspec.json.encode(_LinkContent(site, until))).decode().rstrip("=")
        return f"{text}.{_signed(self._keys[0], text)}", until

    def open(self, link: str) -> tuple[str, float] | None:
        """Return the site of a link and its end; None if it is not ours, or over."""
        text, _, signature = link[:LONGEST].partition(".")
        # Verified before it is decoded, in constant time.
        if not any(hmac.compare_digest(signature.encode(), _signed(key, text).encode()) for key in self._keys):
            return None
        try:
            content = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=_LinkContent)
        except (binascii.Error, msgspec.DecodeError):
            return None
        return (content.site, content.until) if self._now() < content.until else None


def _derived(key: Secret) -> bytes:
    # `info` keeps it apart from the keys of the vault and of sessions, which are derived of the same text.
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"ignite-sync issue link").derive(key.reveal().encode())


def _signed(key: bytes, text: str) -> str:
    return hmac.digest(key, text.encode(), "sha256").hex()
