"""Sessions of the page: signed cookies, so that every node knows them and none stores them.

A session names the token that it was opened with, by a keyed hash. It ends after `LASTS` seconds, at a logout in that
browser, and everywhere when the token is replaced or the key that signed it leaves `secret_keys`. A login always makes
a session with an id of its own, so one that was planted in a browser before is never taken over.
"""

import base64
import binascii
import hmac
import secrets
from collections.abc import Callable, Sequence

import msgspec
from attrs import define, field, frozen
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from daemon.model import Secret
from daemon.model.operators import NamedToken, Operator

LASTS = 12 * 3600
"""Seconds of a session: a working day."""

SKEW = 60
"""Seconds by which the clock of the node that opened a session may be ahead."""

LOGIN_LASTS = 3600
"""Seconds for which a login form can be sent."""


@frozen(kw_only=True)
class Session:
    """A session that is open. `csrf` is the text that each of its forms must carry."""

    operator: Operator
    csrf: str = field(repr=False)


class _SessionContent(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    name: str
    opened_with: str
    at: float


@define(eq=False)
class Sessions:
    """Opens and recognises sessions; `now` is the wall clock."""

    _secret_keys: Sequence[Secret]
    _tokens: Sequence[NamedToken]
    _now: Callable[[], float]
    _keys: list[bytes] = field(init=False, repr=False)

    @_keys.default
    def _derive(self) -> list[bytes]:
        return [_derived(key) for key in self._secret_keys]

    def open(self, holder: NamedToken) -> str:
        """Return the cookie of a new session."""
        key = self._keys[0]
        content = _SessionContent(secrets.token_urlsafe(16), holder.name, _print(key, holder), self._now())
        text = base64.urlsafe_b64encode(msgspec.json.encode(content)).decode()
        return f"{text}.{_signed(key, 'session', text)}"

    def find(self, cookie: str | None) -> Session | None:
        """Return the session of a cookie; None if it is not ours, too old, or its token is no longer known."""
        text, _, signature = (cookie or "").partition(".")
        key = next((key for key in self._keys if _equal(signature, _signed(key, "session", text))), None)
        if key is None:
            return None
        try:
            content = msgspec.json.decode(base64.urlsafe_b64decode(text), type=_SessionContent)
        except (binascii.Error, msgspec.DecodeError):
            return None
        if not content.at - SKEW <= self._now() <= content.at + LASTS:
            return None
        for holder in self._tokens:
            if holder.name == content.name and _equal(content.opened_with, _print(key, holder)):
                return Session(operator=holder.operator, csrf=_signed(key, "csrf", content.id))
        return None

    def new_login(self) -> tuple[str, str]:
        """Return the cookie of a new login form, and the text that the form must carry."""
        text = f"{secrets.token_urlsafe(16)}~{self._now():.0f}"
        return text, _signed(self._keys[0], "login", text)

    def is_login(self, cookie: str | None, given: str) -> bool:
        """Return whether a login form was sent by the browser that it was made for."""
        text = cookie or ""
        # Verified before it is read: anyone can send a number of thousands of digits.
        if not any(_equal(given, _signed(key, "login", text)) for key in self._keys):
            return False
        return abs(self._now() - int(text.partition("~")[2])) <= LOGIN_LASTS


def is_same(session: Session, given: str) -> bool:
    """Return whether a form carries the text of its session, in constant time."""
    return _equal(session.csrf, given)


def _derived(key: Secret) -> bytes:
    # `info` keeps it apart from the key of the vault, which is derived of the same text.
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"ignite-sync page").derive(key.reveal().encode())


def _signed(key: bytes, purpose: str, text: str) -> str:
    return hmac.digest(key, f"{purpose}:{text}".encode(), "sha256").hex()


def _print(key: bytes, holder: NamedToken) -> str:
    return _signed(key, "token", holder.token.reveal())


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
