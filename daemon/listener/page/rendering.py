"""Turns templates and values into responses that a browser may trust with nothing else.

Every value is escaped, a link of a merchant's store must be http or https, and the policy of each response allows no
script and no style but the page's own files. The templates are compiled at the first page, so a daemon whose page is
closed does not carry them.
"""

import functools
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import msgspec

from daemon.errors import NotFound
from daemon.listener.http.messages import Headers, Response

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).parent

POLICY = (
    b"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

HEADERS: Headers = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", POLICY),
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    # Not no-referrer: with it, browsers hide the Origin of the page's own forms.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)

HTML = b"text/html; charset=utf-8"
EVENTS = b"text/event-stream"

MARK = "<!--piece-->"
"""Parts a page that is sent in pieces. No value has it, since all are escaped."""

UNBUFFERED = (b"x-accel-buffering", b"no")

STATIC: Mapping[str, bytes] = {
    "style.css": b"text/css; charset=utf-8",
    "icon.svg": b"image/svg+xml",
    "live.js": b"text/javascript; charset=utf-8",
}
"""The files that are served, with their types."""

MINUTE, HOUR, DAY = 60, 3600, 86_400


def page(template: str, values: Mapping[str, Any], status: int = 200, more: Headers = ()) -> Response:
    """Return the response of a template."""
    return finished(rendered(template, values), status, more)


def rendered(template: str, values: Mapping[str, Any]) -> str:
    """Return the text of a template."""
    return _environment().get_template(template).render(values)


def finished(text: str, status: int = 200, more: Headers = ()) -> Response:
    """Return the response of a page that is complete."""
    return Response(status, text.encode(), HTML, (*HEADERS, *more))


def growing(stream: AsyncGenerator[bytes, None], content_type: bytes) -> Response:
    """Return a response that grows while it is read: a page in pieces, or server-sent events."""
    # nginx keeps answers back until they end, unless it is told.
    return Response(200, content_type=content_type, headers=(*HEADERS, UNBUFFERED), stream=stream)


def download(content: bytes, content_type: bytes, name: str) -> Response:
    """Return a file for the browser to save; the name needs no quoting."""
    disposition = (b"content-disposition", b'attachment; filename="%s"' % name.encode("ascii"))
    return Response(200, content, content_type, (*HEADERS, disposition))


def redirect(place: str, more: Headers = ()) -> Response:
    """Send the browser to a path of this page."""
    return Response(303, headers=(*HEADERS, (b"location", place.encode("ascii")), *more))


@functools.cache
def static(name: str) -> Response:
    """Return a file of the page. Raises NotFound."""
    if name not in STATIC:
        raise NotFound("There is no such file.")
    headers = tuple((key, b"max-age=300" if key == b"cache-control" else value) for key, value in HEADERS)
    return Response(200, (HERE / "static" / name).read_bytes(), STATIC[name], headers)


def moment(seconds: float) -> str:
    """Return a time (seconds since the epoch) as text."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def duration(seconds: float) -> str:
    """Return a number of seconds as people say it."""
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{max(seconds, 0):.0f} s"


def waiting(seconds: float | None) -> str:
    """Return how long the oldest change waits, in words that do not change every second."""
    if seconds is None:
        return "none"
    return "under a minute" if seconds < MINUTE else duration(seconds)


def web_link(url: str | None) -> str:
    """Return a URL that a link may have, else an empty text: a store may name anything."""
    try:
        parts = urlsplit(url or "")
    except ValueError:
        return ""
    return url if url and parts.scheme in {"http", "https"} and parts.netloc else ""


def pretty(value: Any) -> str:
    """Return a JSON value as indented text."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def site_path(site: str) -> str:
    """Return the path of a connection's page."""
    return f"/sites/{quote(site, safe='/')}"


@functools.cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415  most daemons show no page

    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    filters = (pretty, moment, duration, web_link, site_path)
    environment.filters.update({function.__name__: function for function in filters})
    return environment
