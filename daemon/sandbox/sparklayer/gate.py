"""The gate of every call: a token of the right site, and a rate limit that no header announces.

Tokens come from client credentials sent as JSON, never as a form (sparklayer.md section 1). The limit is a token
bucket: `rate` requests per second with bursts of `burst`; its refusal may say when to come back, in either of the
two forms that HTTP has.
"""

import secrets
import time
from email.utils import formatdate
from typing import Literal

import trio
from attrs import define, field

from daemon.sandbox.message import Request, Response, json, route
from daemon.sandbox.sparklayer.contract import decode
from daemon.sandbox.sparklayer.record import problem

TOKEN_PATH = "/api/auth/token"  # noqa: S105  a path
RetryAfter = Literal["none", "seconds", "date"]


@define(eq=False, kw_only=True)
class Tokens:
    """The site's key and the tokens made with it, which expire after `seconds`."""

    site_id: str
    client_id: str
    client_secret: str
    seconds: int = 3600
    key_revoked: bool = False
    """The key was deleted: its tokens stopped working and no new ones are made."""
    issued: int = 0
    _expiry: dict[str, float] = field(factory=dict, repr=False)

    @route("POST", TOKEN_PATH)
    def issue(self, request: Request) -> Response:
        """Answer a new token."""
        if "json" not in request.headers.get("content-type", ""):
            raise problem(400, "The body must be JSON")
        self._check_site(request)
        key = decode(request, "getAccessToken")
        known = (key.client_id, key.client_secret) == (self.client_id, self.client_secret)
        if self.key_revoked or not known:
            raise problem(401, "Unknown client")
        token = secrets.token_urlsafe(24)
        self._expiry[token] = trio.current_time() + self.seconds
        self.issued += 1
        return json({"access_token": token, "expires_in": self.seconds, "token_type": "Bearer"})

    def check(self, request: Request) -> None:
        """Raise Refused with 401 unless the call carries a valid token and the site's id."""
        self._check_site(request)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        valid = self._expiry.get(token, 0.0) > trio.current_time()
        if scheme != "Bearer" or not valid or self.key_revoked:
            raise problem(401, "The access token is missing, expired or revoked")

    def revoke(self) -> None:
        """Make every token that was issued stop working; new ones can be had."""
        self._expiry.clear()

    def _check_site(self, request: Request) -> None:
        if request.headers.get("site-id") != self.site_id:
            raise problem(401, "Site-Id is missing or unknown")


@define(eq=False, kw_only=True)
class Bucket:
    """The rate limit; `rate` None is unlimited. `refused` counts."""

    rate: float | None
    burst: int
    retry_after: RetryAfter
    refused: int = 0
    _level: float = 0.0
    _seen: float = float("-inf")

    def take(self) -> None:
        """Count a request. Raises Refused with 429 when it is one too many."""
        if self.rate is None:
            return
        now = trio.current_time()
        self._level = min(self.burst, self._level + (now - self._seen) * self.rate)
        self._seen = now
        if self._level < 1:
            self.refused += 1
            refused = problem(429, "Too many requests")
            seconds = int((1 - self._level) / self.rate) + 1
            if self.retry_after == "seconds":
                refused.response.headers["retry-after"] = str(seconds)
            elif self.retry_after == "date":
                refused.response.headers["retry-after"] = formatdate(time.time() + seconds, usegmt=True)
            raise refused
        self._level -= 1
