"""The access token of one site: requested as JSON, kept, and renewed before it expires (sparklayer.md section 1).

If several callers find it missing, old or refused at the same time, one of them requests a new one, and the others
share its result, even a failure. If that caller is cancelled, the next one requests it.
"""

from typing import Annotated

import msgspec
import trio
from attrs import frozen
from msgspec import Meta

from daemon.errors import Blocked, Failure, KeyRefused, Retry, Side
from daemon.model import ApiKey, Lane, Secret
from daemon.sparklayer.failures import content_of, foreign, is_doubtful, words_of
from daemon.sparklayer.inferred import KEY_ERROR, KEY_ERRORS, REFUSED_KEY, TOKEN_SECONDS
from daemon.sparklayer.operation import Operation, one_with
from daemon.transport.client import ThrottledApi
from daemon.transport.http import Answer, temporary

TOKEN = Operation(name="getAccessToken", method="POST", answers=one_with("access_token"))
PATH = "/api/auth/token"
MARGIN = 0.1
LONGEST_MARGIN = 60.0


@frozen
class Token:
    """A token, and the time (of trio's clock) from which it is too old for a new request."""

    text: Secret
    old_at: float


class Tokens:
    """Keeps the token of one API key."""

    def __init__(self, throttled_api: ThrottledApi, key: ApiKey) -> None:
        self._throttled_api = throttled_api
        self._key = key
        self._lock = trio.Lock()
        self._asked = 0
        self._outcome: Token | Failure | None = None

    async def current(self, lane: Lane) -> Token:
        """Return a token that is not too old; request one if needed.

        Raises KeyRefused (reason "credentials") if SparkLayer refuses the key, Blocked for other refusals, and Retry.
        """
        kept = self._outcome
        if isinstance(kept, Token) and trio.current_time() < kept.old_at:
            return kept
        return await self._renew(lane)

    async def instead_of(self, refused: Token, lane: Lane) -> Token:
        """Return a token other than the one just refused. Raises as `current` does."""
        kept = self._outcome
        if isinstance(kept, Token) and kept is not refused:
            return kept
        return await self._renew(lane)

    async def _renew(self, lane: Lane) -> Token:
        asked = self._asked
        async with self._lock:
            if self._asked == asked:
                self._outcome = await self._ask(lane)
                self._asked += 1
            outcome = self._outcome
        if isinstance(outcome, Token):
            return outcome
        assert outcome is not None
        raise outcome.with_traceback(None)

    async def _ask(self, lane: Lane) -> Token | Failure:
        body = msgspec.json.encode(
            {
                "grant_type": "client_credentials",
                "client_id": self._key.client_id,
                "client_secret": self._key.client_secret.reveal(),
            }
        )
        try:
            answer = await self._throttled_api.send(TOKEN.method, PATH, lane, body=body)
        except Failure as failure:
            return failure
        return read(answer, trio.current_time(), self._key.client_secret)


class _Reply(msgspec.Struct):
    access_token: Annotated[str, Meta(pattern=r"^[!-~]+\Z")]
    """Characters that a header can carry (RFC 6750 section 2.1 allows fewer)."""
    expires_in: float = TOKEN_SECONDS

    def __repr__(self) -> str:
        return "_Reply(***)"


def read(answer: Answer, now: float, sent: Secret) -> Token | Failure:
    """Return the token or the failure in the token endpoint's answer; `sent` is starred in the failure's text."""
    content = content_of(answer)
    # A refusal in OAuth 2.0's form (RFC 6749 section 5.2) instead of SparkLayer's own.
    error = content.get(KEY_ERROR) if isinstance(content, dict) and not answer.is_html else None
    is_key_error = answer.status in REFUSED_KEY and isinstance(error, str) and error in KEY_ERRORS
    later = temporary(answer) or foreign(TOKEN.name, TOKEN.answers, answer)
    if later is not None and not is_key_error:
        return later
    if not answer.ok:
        reason = "credentials" if answer.status in REFUSED_KEY else f"token_http_{answer.status}"
        words = words_of(answer).replace(sent.reveal(), "***")
        # A doubtful refusal may be a proxy's: it pauses the connection, but ends no clean-up and refuses no connect.
        is_own = is_key_error or not is_doubtful(answer)
        kind = KeyRefused if answer.status in REFUSED_KEY and is_own else Blocked
        return kind(f"no access token: {words}", reason=reason, side=Side.SPARKLAYER)
    try:
        reply = msgspec.json.decode(answer.body, type=_Reply)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Retry("the token endpoint answered without a token", reason="unreadable")
    return Token(Secret(reply.access_token), now + reply.expires_in - min(LONGEST_MARGIN, MARGIN * reply.expires_in))
