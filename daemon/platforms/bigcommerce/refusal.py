"""Turns an unsuccessful answer into the failure that names the next step. Pure.

BigCommerce refuses in many shapes (contract section 11): v3 objects whose `errors` may be missing, or keyed by field or
by row; v2 arrays; plain text with 401; HTML with 415. Proxies on the way answer with HTML too, so it never counts. Only
JSON is quoted, shortened and with all secrets masked.

A refusal counts only in one of BigCommerce's two shapes: an object with a `title`, or rows each with a `message`. It
must not have members or a status of another program, and must not be a web page. Many servers and gateways answer with
JSON that has a `status` too, so a missing entity (404) or a missing right (403) must repeat the status in the body, and
so must a 401 that proves that BigCommerce does not know the token. A 401 in plain text or without a body pauses the
connection, but proves nothing. Any other answer comes from a proxy, and is retried.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from daemon.errors import Blocked, Failure, KeyRefused, Missing, Rejected, Retry, Side
from daemon.model import Secret
from daemon.platforms.shared.client import SCOPE_MISSING, quoted
from daemon.transport.http import Answer
from daemon.transport.retry_after import LONGEST_WAIT, as_seconds, retry_after

_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _TOO_MANY = 401, 403, 404, 429
_CLIENT_ERROR, _SERVER_ERROR = 400, 500
_MEMBERS = frozenset({"status", "title", "type", "detail", "errors", "instance", "code", "message", "details"})
"""Members of BigCommerce's refusals in both shapes, and of RFC 7807. Gateways add trace ids and codes to problems."""
_PASSING = frozenset({_FORBIDDEN, _NOT_FOUND, 408, 423, 425, _TOO_MANY, 499})


def refusal(answer: Answer, secrets: Iterable[Secret], right: str = "") -> Failure:
    """Return the failure that `answer` (not 2xx) means; `right` is the permission that the call needs."""
    status = answer.status
    body = _json(answer.body)
    said = quoted(" ".join(_words(body)), secrets)
    text = f"BigCommerce answered {status}" + (f": {said}" if said else "")
    reason = f"http_{status}"
    if status == _UNAUTHORIZED and _is_own(answer, body):
        kind = KeyRefused if _repeats(body, status) else Blocked
        return kind(text, reason="credentials", side=Side.PLATFORM)
    if status == _FORBIDDEN and _is_own(answer, body) and _repeats(body, status):
        needed = f"; the API account needs the scope {right}" if right else ""
        return Blocked(f"{text}{needed}", reason=SCOPE_MISSING, side=Side.PLATFORM)
    if status == _NOT_FOUND and _is_own(answer, body) and _repeats(body, status):
        return Missing(text, reason=reason)
    # Redirects come from a proxy, and pass like its 404s.
    if _CLIENT_ERROR <= status < _SERVER_ERROR and status not in _PASSING and _is_own(answer, body):
        return Rejected(text, reason=reason)
    return Retry(text, reason=reason, after=_after(answer), effect_unknown=status >= _SERVER_ERROR)


def _rows(body: Any) -> list[Any]:
    return body if isinstance(body, list) else [body]


def _repeats(body: Any, status: int) -> bool:
    """Return True if the body repeats the status."""
    return any(isinstance(row, dict) and row.get("status") == status for row in _rows(body))


def _is_own(answer: Answer, body: Any) -> bool:
    """Return True if the answer may be BigCommerce's own."""
    content = answer.body.strip()
    if content.startswith(b"<") or answer.is_html:
        return False
    if answer.status == _UNAUTHORIZED and not content.startswith((b"{", b"[")):
        return True
    words = "message" if isinstance(body, list) else "title"
    return bool(body) and all(
        isinstance(row, dict)
        and row.keys() <= _MEMBERS
        and isinstance(row.get(words), str)
        and _agrees(row, answer.status)
        for row in _rows(body)
    )


def _agrees(row: dict[str, Any], status: int) -> bool:
    """Return True if neither a row of a refusal nor one of its errors names another status."""
    errors = row.get("errors")
    parts = [row, *(errors if isinstance(errors, list) else ())]
    return all(part.get("status", status) == status for part in parts if isinstance(part, dict))


def _after(answer: Answer) -> float | None:
    """Return the longest wait that a header asks for. The end of the window matters only with a 429."""
    headers = answer.headers
    asked = [retry_after(headers, time.time())]
    if answer.status == _TOO_MANY:
        reset = as_seconds(headers.get("x-rate-limit-time-reset-ms", ""))
        asked.append(None if reset is None else min(reset / 1000, LONGEST_WAIT))
    return max((seconds for seconds in asked if seconds is not None), default=None)


def _json(body: bytes) -> Any:
    """Decode `body`; return None if it is not JSON."""
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return None


def _words(body: Any) -> Iterator[str]:
    """Yield the readable texts of an error in any of BigCommerce's shapes."""
    for row in _rows(body):
        if not isinstance(row, dict):
            continue
        yield from (row[key] for key in ("title", "message", "detail") if isinstance(row.get(key), str))
        errors = row.get("errors")
        if isinstance(errors, dict):
            yield from (f"{name}: {words}" for name, words in errors.items())
        elif isinstance(errors, list):
            yield from (str(words) for words in errors)
