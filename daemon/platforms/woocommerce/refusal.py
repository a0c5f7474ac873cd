"""The one place that decides if an answer is WooCommerce's own, and what any other answer is. Pure.

A refusal is WordPress's own if it is JSON with a `code`, a `message` and, in `data`, the status of the answer. Between
us and the API there are a theme, plugins, a web server and often a firewall. Each of them answers with pages of its
own, under any status, so those are retried, and named for the person who must act. A `Content-Type` counts only against
an answer. Only own messages are quoted, without tags, shortened, and with all secrets masked. Messages are translated
by the shop, so a decision never depends on one; the English ones only make a text more precise.

The name of a foreign answer decides nothing (`page_of`). It tells a person what answered, and who must act.
"""

import html
import re
import time
from base64 import b64encode
from collections.abc import Iterable
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import msgspec
from attrs import frozen

from daemon.errors import Blocked, Failure, Missing, Rejected, Retry, Side
from daemon.model import Secret
from daemon.platforms.shared.client import SCOPE_MISSING, quoted
from daemon.transport.http import Answer
from daemon.transport.retry_after import retry_after

CREDENTIALS = "credentials"
BASIC_WALL = "basic_wall"

CANNOT_VIEW = "woocommerce_rest_cannot_view"
KEY_ERROR = "woocommerce_rest_authentication_error"
NO_ROUTE = "rest_no_route"
_MISSING = re.compile(r"(?:woocommerce_rest|wc_user|rest_setting)_(?:\w+_)?invalid(?:_\w+)?")
"""Codes of missing entities (woocommerce.md, REST). Plugins that hide the REST API have codes of their own."""

_NAMED = {"wp_die": "maintenance", "internal_server_error": "php_error"}
"""Reasons of errors that WordPress itself names in JSON."""

NAMED_REMEDIES = (
    *(CREDENTIALS, SCOPE_MISSING, "api_missing", "api_restricted", "foreign_401", BASIC_WALL, "no_rest_api"),
    *("redirect", "challenge_page", "login_page", "maintenance", "database_down", "php_error", "php_warning"),
)
"""Reasons of failures whose text says what a person must do."""

_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _BAD_REQUEST, _SERVER_ERROR = 401, 403, 404, 400, 500
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PASSING = frozenset({408, 423, 425, 429, 499})
"""Refusals that pass by themselves."""

_TOO_BIG = frozenset({413, 414, 431})
"""Refusals of a web server that a smaller request avoids."""

_TAG = re.compile(r"<[^>]*>")

MOST_SEARCHED = 20_000
"""Bytes of an answer that are searched for marks."""

LONGEST_TITLE = 80

_TITLE = re.compile(rb"<title[^>]*>(.*?)</title", re.DOTALL | re.IGNORECASE)
_PHP = re.compile(rb"^\s*(?:<br\s*/?>\s*)?(?:<b>)?(?:PHP )?(?:Warning|Notice|Deprecated|Strict Standards)\b")
_JSON_AFTER = re.compile(rb"[\n>]\s*[\[{]\s*[\"{\]}]")


@frozen
class ForeignPage:
    """A foreign answer: a short fixed `reason`, and `words` for people. `is_named` is False for an unknown page."""

    reason: str
    words: str
    is_named: bool = True


_CHALLENGE = ForeignPage("challenge_page", "a firewall's page for people; allow Ignite Sync's requests in the firewall")

_MARKS = (
    (
        (
            *(b"challenge-platform", b"cf-chl", b"just a moment", b"checking your browser", b"verify you are human"),
            *(b"g-recaptcha", b"h-captcha", b"sucuri website firewall", b"wordfence"),
        ),
        _CHALLENGE,
    ),
    (
        (b"database error", b"establishing a database connection"),
        ForeignPage("database_down", "the shop's database does not answer"),
    ),
    ((b"<title>maintenance", b"scheduled maintenance"), ForeignPage("maintenance", "the shop is in maintenance")),
    (
        (b"critical error on this website", b"internal_server_error", b"fatal error"),
        ForeignPage("php_error", "a plugin or theme of the shop has crashed; see the shop's error log"),
    ),
    (
        (b"wp-login.php", b'id="loginform"', b'name="log"'),
        ForeignPage("login_page", "a login page; a plugin or the server protects the REST API"),
    ),
)
"""Texts of pages in lower case, and the page; the first match counts."""


def refusal(answer: Answer, secrets: Iterable[Secret], *, writes: bool = False) -> Failure:
    """Return the failure that `answer` (not 2xx) means; `writes` is True for a call that changes something."""
    status, own = answer.status, _own(answer)
    if own is None:
        return _foreign(answer)
    code, words = str(own["code"]), html.unescape(_TAG.sub(" ", str(own["message"])))
    text = f"WooCommerce answered {status}: {quoted(words, _sent(secrets))}"
    if status == _UNAUTHORIZED:
        return _unauthorized(code, text, writes=writes)
    if status == _FORBIDDEN:
        remedy = "the key's user may not do this; give the user the role Administrator or Shop manager"
        return Blocked(f"{text}; {remedy}", reason=SCOPE_MISSING, side=Side.PLATFORM)
    if status == _NOT_FOUND:
        return _not_found(code, text)
    if _BAD_REQUEST <= status < _SERVER_ERROR and status not in _PASSING:
        return Rejected(text, reason=f"http_{status}", properties=_parameters(own))
    return _later(text, answer, _NAMED.get(code, f"http_{status}"))


def unreadable(answer: Answer, error: Exception) -> Retry:
    """Return the failure of an answer that has a good status but not the documented shape."""
    if isinstance(error, msgspec.ValidationError):
        return Retry(f"WooCommerce's answer has an unexpected shape: {error}", reason="unexpected_shape")
    page = page_of(answer)
    return Retry(f"WooCommerce's answer is not JSON: {page.words}", reason=page.reason)


def is_page(answer: Answer) -> bool:
    """Return True for a web page, whatever its status."""
    return answer.is_html or answer.body.lstrip()[:1] == b"<"


def _own(answer: Answer) -> dict[str, Any] | None:
    """Return the body of WordPress's own refusal, or None."""
    if is_page(answer):
        return None
    try:
        body = msgspec.json.decode(answer.body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict) or not isinstance(body.get("data"), dict):
        return None
    named = isinstance(body.get("code"), str) and isinstance(body.get("message"), str)
    return body if named and body["data"].get("status") == answer.status else None


def _unauthorized(code: str, text: str, *, writes: bool) -> Blocked:
    """Return the failure of an own 401: a key that is unknown, wrong, or lacks a right."""
    if code == KEY_ERROR and (writes or "write permissions" in text) and "is invalid" not in text:
        remedy = "the key may not write, and webhooks need that; set the key's permissions to Read/Write"
        return Blocked(f"{text}; {remedy}", reason=SCOPE_MISSING, side=Side.PLATFORM)
    if code == KEY_ERROR and "read permissions" in text:
        remedy = "the key may not read; set the key's permissions to Read/Write"
    elif code == KEY_ERROR:
        remedy = "the consumer secret is wrong, or the key may not read; create a key with Read/Write permissions"
    elif code == CANNOT_VIEW:
        remedy = (
            "the shop does not know the consumer key, or its web server does not pass the Authorization header on to "
            "WordPress; check the key under WooCommerce > Settings > Advanced > REST API, then the server"
        )
    else:
        remedy = "a plugin or a firewall restricts the REST API; allow requests with WooCommerce's keys there"
        return Blocked(f"{text}; {remedy}", reason="api_restricted", side=Side.PLATFORM)
    return Blocked(f"{text}; {remedy}", reason=CREDENTIALS, side=Side.PLATFORM)


def _not_found(code: str, text: str) -> Failure:
    """Return the failure of an own 404: of an entity, or of the whole API."""
    if _MISSING.fullmatch(code):
        return Missing(text, reason="http_404")
    if code != NO_ROUTE:
        return Retry(f"{text}; a plugin has answered, not WooCommerce", reason="foreign_404")
    remedy = "WooCommerce's REST API is not there; activate WooCommerce, and update it if it is older than 9"
    return Blocked(f"{text}; {remedy}", reason="api_missing", side=Side.PLATFORM)


def _foreign(answer: Answer) -> Failure:
    """Return the failure of an answer that is not WordPress's own."""
    status, page = answer.status, page_of(answer)
    text = f"the shop's server answered {status}, not WooCommerce: {page.words}"
    if status == _UNAUTHORIZED:
        if not answer.headers.get("www-authenticate", "").lower().startswith("basic"):
            return Blocked(text, reason="foreign_401", side=Side.PLATFORM)
        remedy = (
            "the site is behind a password, which a request with WooCommerce's keys cannot carry too; "
            "exempt /wp-json from the password"
        )
        return Blocked(f"{text}; {remedy}", reason=BASIC_WALL, side=Side.PLATFORM)
    if status in _REDIRECTS:
        return _redirected(answer)
    if status == _NOT_FOUND and is_page(answer):
        remedy = "no REST API is at this address; choose permalinks other than Plain, and do not switch the API off"
        return Retry(f"{text}; {remedy}", reason="no_rest_api")
    by_status = status in _PASSING | _TOO_BIG or (status >= _SERVER_ERROR and not page.is_named)
    return _later(text, answer, f"http_{status}" if by_status else page.reason)


def _redirected(answer: Answer) -> Retry:
    """Return the failure of a redirect, with its target but without the query, which may repeat ours."""
    target = urlsplit(answer.headers.get("location", ""))
    where = f"{target.scheme}://{target.netloc}{target.path}" if target.netloc else target.path or "an unknown address"
    if "wp-login" in target.path:
        return Retry(f"the shop redirects to its login page ({where}); a plugin protects it", reason="login_page")
    shop = where.partition("/wp-json")[0]
    return Retry(f"the shop redirects to {where}; use the address {shop}", reason="redirect")


def _later(text: str, answer: Answer, reason: str) -> Retry:
    unknown = answer.status >= _SERVER_ERROR
    return Retry(text, reason=reason, after=retry_after(answer.headers, time.time()), effect_unknown=unknown)


def _parameters(own: dict[str, Any]) -> frozenset[str]:
    """Return the names of refused parameters."""
    named = own["data"].get("params")
    return frozenset(name for name in named if isinstance(name, str)) if isinstance(named, dict | list) else frozenset()


def _sent(secrets: Iterable[Secret]) -> list[Secret]:
    """Return secrets, and before them the pair of keys as HTTP sends it."""
    texts = [secret.reveal() for secret in secrets]
    pairs = [Secret(b64encode(f"{key}:{secret}".encode()).decode()) for key, secret in pairwise(texts)]
    return [*pairs, *map(Secret, texts)]


def page_of(answer: Answer) -> ForeignPage:
    """Return the name of a foreign answer."""
    body = answer.body[:MOST_SEARCHED]
    lower = body.lower()
    if not body.strip():
        return ForeignPage("empty", "an empty answer", is_named=False)
    if _PHP.match(body) and _JSON_AFTER.search(body):
        return ForeignPage(
            "php_warning", "PHP prints a warning before the answer; switch WP_DEBUG_DISPLAY off in the shop"
        )
    if "cf-mitigated" in answer.headers:
        return _CHALLENGE
    named = (page for marks, page in _MARKS if any(mark in lower for mark in marks))
    return next(named, None) or _unnamed(answer, body)


def _unnamed(answer: Answer, body: bytes) -> ForeignPage:
    start = body.lstrip()
    if start[:1] in {b"[", b"{"}:
        if answer.headers.get("content-type", "").lower().startswith("text/html"):
            return ForeignPage("foreign_json", "JSON that is labelled as a web page", is_named=False)
        # What has a good status and begins as JSON has lost its end; any other is a gateway's own.
        cut = ForeignPage("cut_json", "the answer ends too early", is_named=False)
        return cut if answer.ok else ForeignPage("foreign_json", "JSON of another program", is_named=False)
    if start[:1] == b"<":
        title = _TITLE.search(body)
        words = " ".join(html.unescape(title[1].decode("utf-8", "replace")).split()) if title else ""
        return ForeignPage(
            "web_page", f'a web page, "{words[:LONGEST_TITLE]}"' if words else "a web page", is_named=False
        )
    return ForeignPage("not_json", "a text", is_named=False)
