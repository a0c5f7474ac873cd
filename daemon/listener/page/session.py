"""Sessions of the page: signed cookies, so that every node knows them and none stores them.

A session names the token that it was opened with, by a keyed hash. It ends after `LASTS` seconds, at a logout in that
browser, and everywhere when the token is replaced or the key that signed it leaves `secret_keys`. A login always makes
a session with an id of its own, so one that was planted in a browser before is never taken over. Pages do not show a
cookie to scripts; each form carries the id that the cookie has, which no other site knows.
"""

import hmac
import secrets
from collections.abc import Callable, Sequence

import msgspec
from attrs import field, frozen

from daemon.listener.signed import Signer
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


class LoginForm(msgspec.Struct, forbid_unknown_fields=True):
    """The cookie of a login form."""

    id: str
    at: float


class SessionCookie(LoginForm, forbid_unknown_fields=True):
    """The cookie of a session."""

    name: str
    opened_with: str


class Sessions:
    """Opens and recognises sessions; `now` is the wall clock."""

    def __init__(self, secret_keys: Sequence[Secret], tokens: Sequence[NamedToken], now: Callable[[], float]) -> None:
        self._signer = Signer(secret_keys)
        self._tokens = tokens
        self._now = now

    def open(self, holder: NamedToken) -> str:
        """Return the cookie of a new session."""
        opened_with = self._signer.hashes("token", holder.token.reveal())[0]
        cookie = SessionCookie(secrets.token_urlsafe(16), self._now(), holder.name, opened_with)
        return self._signer.sign(cookie)

    def find(self, cookie: str | None) -> Session | None:
        """Return the session of a cookie; None if it is not ours, too old, or its token is no longer known."""
        content = self._signer.read(cookie or "", SessionCookie)
        if content is None or not content.at - SKEW <= self._now() <= content.at + LASTS:
            return None
        for holder in self._tokens:
            hashes = self._signer.hashes("token", holder.token.reveal())
            if holder.name == content.name and any(is_same(content.opened_with, one) for one in hashes):
                return Session(operator=holder.operator, csrf=content.id)
        return None

    def new_login(self) -> tuple[str, str]:
        """Return the cookie of a new login form, and the text that the form must carry."""
        content = LoginForm(secrets.token_urlsafe(16), self._now())
        return self._signer.sign(content), content.id

    def is_login(self, cookie: str | None, given: str) -> bool:
        """Return whether a login form was sent by the browser that it was made for."""
        content = self._signer.read(cookie or "", LoginForm)
        return content is not None and is_same(content.id, given) and abs(self._now() - content.at) <= LOGIN_LASTS


def is_same(text: str, given: str) -> bool:
    """Compare two texts in constant time, such as a form's and its session's."""
    return hmac.compare_digest(text.encode(), given.encode())
