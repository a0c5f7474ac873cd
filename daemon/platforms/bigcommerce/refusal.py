"""Turns an answer that is not a success into the failure that says what must happen next. Pure.

BigCommerce refuses in many shapes (contract section 11): v3 objects whose `errors` may be missing or keyed by
field or by row, v2 arrays, plain text with 401, HTML with 415 and from every proxy on the way. Only JSON is
quoted, shortened, and never with a secret in it: neither the token, nor what our webhooks carry.

A refusal counts only in one of BigCommerce's two shapes: an object with a `title`, or rows each with a `message`, with
no other status in it than the answer's, and never as a web page. Many servers and gateways answer with JSON of their
own that has a `status` too. That something does not exist (404), or that a right is missing (403), takes the status in
the body besides. A 401 may also be plain text or empty, and a 415 anything. What else comes is from something in
between, and passes.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from daemon.errors import Blocked, Failure, Missing, Rejected, Retry, Side
from daemon.model import Secret
from daemon.transport.http import Answer, retry_after
from daemon.transport.retry_after import LONGEST_WAIT, as_seconds

LONGEST_WORDS: Final = 300
SCOPE_MISSING: Final = "scope_missing"

_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _UNSUPPORTED, _TOO_MANY, _SERVER_ERROR = 401, 403, 404, 415, 429, 500
_PASSING = frozenset({_FORBIDDEN, _NOT_FOUND, 408, 423, 425, _TOO_MANY, 499})


def refusal(answer: Answer, secrets: Iterable[Secret], right: str = "") -> Failure:
    """Return the failure that `answer`, whose status is not 2xx, means; `right` is what the call takes."""
    status = answer.status
    body = _json(answer.body)
    said = _shortened(_masked(" ".join(_words(body)), secrets))
    text = f"BigCommerce answered {status}" + (f": {said}" if said else "")
    reason = f"http_{status}"
    if status == _UNAUTHORIZED and _is_own(answer, body):
        return Blocked(text, reason="credentials", side=Side.PLATFORM)
    if status == _FORBIDDEN and _is_own(answer, body) and _repeats(body, status):
        needed = f"; the API account needs the right {right}" if right else ""
        return Blocked(f"{text}{needed}", reason=SCOPE_MISSING, side=Side.PLATFORM)
    if status == _NOT_FOUND and _is_own(answer, body) and _repeats(body, status):
        return Missing(text, reason=reason)
    if _is_final(status) and _is_own(answer, body):
        return Rejected(text, reason=reason)
    return Retry(text, reason=reason, after=_after(answer), effect_unknown=status >= _SERVER_ERROR)


def _is_final(status: int) -> bool:
    """Whether asking again is useless. Redirects come from something on the way, and pass like its 404s."""
    return 400 <= status < 500 and status not in _PASSING  # noqa: PLR2004  HTTP's class of client errors


def _rows(body: Any) -> list[Any]:
    return body if isinstance(body, list) else [body]


def _repeats(body: Any, status: int) -> bool:
    """Whether the body says the status too."""
    return any(isinstance(row, dict) and row.get("status") == status for row in _rows(body))


def _is_own(answer: Answer, body: Any) -> bool:
    """Whether BigCommerce itself may have said this."""
    content, kind = answer.body.strip(), answer.headers.get("content-type", "").strip().lower()
    if answer.status == _UNSUPPORTED:
        return True
    if content.startswith(b"<") or kind.startswith("text/html"):
        return False
    if answer.status == _UNAUTHORIZED and not content.startswith((b"{", b"[")):
        return True
    words = "message" if isinstance(body, list) else "title"
    return bool(body) and all(
        isinstance(row, dict) and isinstance(row.get(words), str) and row.get("status", answer.status) == answer.status
        for row in _rows(body)
    )


def _after(answer: Answer) -> float | None:
    """Return the longest time any header asks for. When a window ends matters only to who has used it up."""
    headers = answer.headers
    asked = [retry_after(headers, time.time())]
    if answer.status == _TOO_MANY:
        reset = as_seconds(headers.get("x-rate-limit-time-reset-ms", ""))
        asked.append(None if reset is None else min(reset / 1000, LONGEST_WAIT))
    return max((seconds for seconds in asked if seconds is not None), default=None)


def _json(body: bytes) -> Any:
    """Decode `body`, or return None for anything but JSON."""
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return None


def _words(body: Any) -> Iterator[str]:
    """Yield what a person can use of an error in any of BigCommerce's shapes."""
    for told in _rows(body):
        if not isinstance(told, dict):
            continue
        yield from (told[key] for key in ("title", "message", "detail") if isinstance(told.get(key), str))
        errors = told.get("errors")
        if isinstance(errors, dict):
            yield from (f"{name}: {words}" for name, words in errors.items())
        elif isinstance(errors, list):
            yield from (str(words) for words in errors)


def _masked(words: str, secrets: Iterable[Secret]) -> str:
    for secret in secrets:
        words = words.replace(secret.reveal(), "***")
    return words


def _shortened(words: str) -> str:
    words = " ".join(words.split())
    return words if len(words) <= LONGEST_WORDS else f"{words[: LONGEST_WORDS - 1]}…"
