"""Names an answer that is not WooCommerce's: pages of WordPress, its plugins, the web server or a firewall. Pure.

The name decides nothing. It tells a person what answered, and who must act.
"""

import html
import re
from typing import Final

from attrs import frozen

from daemon.transport.http import Answer

MOST_SEARCHED: Final = 20_000
"""Bytes of an answer that are searched for marks."""

LONGEST_TITLE: Final = 80

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
