"""A shop's ways to answer with anything but its JSON, as acts for the fault switchboard (recordings, rest/err_5*).

With `Accept: application/json` the maintenance page and an early fatal error are JSON; the others never are.

    faults.add("GET *", maintenance())
    faults.add("GET */products*", php_warning(), after_effect=True)
"""

from collections.abc import Callable, Mapping

from attrs import evolve

from daemon.sandbox.faults import BY_NAME, Act, at_once
from daemon.sandbox.message import Response
from daemon.sandbox.woocommerce.answers import answer, page, problem

CRITICAL = "There has been a critical error on this website."
BRIEFLY = "Briefly unavailable for scheduled maintenance. Check back in a minute."


def _by_accept(html: Response, json: Response) -> Act:
    return at_once(lambda request, _: json if "application/json" in request.headers.get("accept", "") else html)


def _page(title: str, words: str, status: int, headers: Mapping[str, str] | None = None) -> Act:
    return at_once(lambda _request, _response: page(title, words, status, headers))


def maintenance() -> Act:
    """Answer as a site that updates itself."""
    later = {"retry-after": "600"}
    wp_die = problem("wp_die", BRIEFLY, 503) | {"additional_errors": []}
    return _by_accept(page("Maintenance", BRIEFLY, 503, later), answer(wp_die, 503, later))


def fatal(*, in_handler: bool = False) -> Act:
    """Answer as a site whose plugin has a fatal error: early, or within the handler, where it is always HTML."""
    html = page("WordPress &rsaquo; Error", f"<p>{CRITICAL}</p>", 500)
    error = {"type": 1, "message": "Uncaught Error: Call to undefined function", "file": "plugin.php", "line": 1}
    body = problem("internal_server_error", f"<p>{CRITICAL}</p>", 500, error=error) | {"additional_errors": []}
    return _by_accept(html, html if in_handler else answer(body, 500))


def database_down() -> Act:
    """Answer as a site that cannot reach its database."""
    return _page("Database Error", "<h1>Error establishing a database connection</h1>", 500)


def php_down() -> Act:
    """Answer as the web server whose PHP is down."""
    return _page("502 Bad Gateway", "<center><h1>502 Bad Gateway</h1></center>", 502)


def challenge() -> Act:
    """Answer as a firewall that wants to see a browser."""
    words = "Checking your browser before accessing this site."
    return _page("Just a moment...", words, 403, {"server": "cloudflare"})


def login() -> Act:
    """Answer as a site that shows its login page to everyone."""
    return _page("Log In", '<form name="loginform" action="wp-login.php"></form>', 200)


def moved(address: str) -> Act:
    """Redirect to another address."""
    return at_once(lambda _request, _response: Response(status=301, headers={"location": address}))


def php_warning() -> Act:
    """Put a plugin's warning before the JSON: 200, application/json, and unreadable. Stands after the effect."""
    warning = b"<br />\n<b>Warning</b>:  Undefined variable $x in <b>plugin.php</b> on line <b>1</b><br />\n"
    return at_once(lambda _request, response: response and evolve(response, body=warning + response.body))


ACTS: Mapping[str, Callable[..., Act]] = dict(BY_NAME) | {
    made.__name__: made for made in (maintenance, fatal, database_down, php_down, challenge, login, moved, php_warning)
}
"""The faults that can be ordered over HTTP."""
