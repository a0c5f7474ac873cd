"""Verifies a `signed_payload_jwt`, the proof that BigCommerce has just sent a merchant to our app. Pure.

Only a JWT signed with HS256 and the app's client secret is accepted: the algorithm in the token is compared, never
followed. The names of the claims are inferred (contract section 1 has no page of them).
"""

import hmac
import re
from base64 import urlsafe_b64decode

import msgspec

from daemon.model import Secret

ALGORITHM = "HS256"
ISSUER = "bc"
LEEWAY = 60.0
"""Tolerance for differing clocks, in seconds."""
LONGEST = 8192

_PART = re.compile(r"[A-Za-z0-9_-]+")
_CONTEXT = re.compile(r"stores/([A-Za-z0-9_-]{1,64})")


class _Head(msgspec.Struct):
    alg: str


class _Claims(msgspec.Struct):
    aud: str
    iss: str
    sub: str
    exp: float
    nbf: float = 0.0


def store_of(context: str) -> str | None:
    """Return the store's hash from a context such as `stores/abc123`; None if it is not a context."""
    found = _CONTEXT.fullmatch(context)
    return found[1] if found else None


def read_signed_payload(token: str, client_id: str, client_secret: Secret, now: float) -> str:
    """Return the hash of the token's store. Raises ValueError with a short reason if the token is invalid.

    `now` is in seconds since the epoch.
    """
    parts = token.split(".")
    if len(token) > LONGEST or len(parts) != 3 or not all(_PART.fullmatch(part) for part in parts):  # noqa: PLR2004
        raise ValueError("it is not signed")
    signed, _, signature = token.rpartition(".")
    right = hmac.digest(client_secret.reveal().encode(), signed.encode(), "sha256")
    if not hmac.compare_digest(_decoded(signature), right):
        raise ValueError("its signature is not BigCommerce's for this app")
    try:
        head = msgspec.json.decode(_decoded(parts[0]), type=_Head)
        claims = msgspec.json.decode(_decoded(parts[1]), type=_Claims)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("it has an unexpected shape") from None
    if head.alg != ALGORITHM:
        raise ValueError("it is signed with another algorithm")
    return _checked(claims, client_id, now)


def _checked(claims: _Claims, client_id: str, now: float) -> str:
    if claims.iss != ISSUER or claims.aud != client_id:
        raise ValueError("it is for another app")
    if now > claims.exp + LEEWAY:
        raise ValueError("it has expired")
    if now < claims.nbf - LEEWAY:
        raise ValueError("it is not valid yet")
    store = store_of(claims.sub)
    if store is None:
        raise ValueError("it names no store")
    return store


def _decoded(part: str) -> bytes:
    try:
        return urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        raise ValueError("it is not signed") from None
