"""The login: a token opens a session, and a logout ends it. Both are kept in the audit log.

A browser that was sent here from a page is sent back there afterwards, and never to another host.
"""

import re
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from attrs import frozen

from daemon.errors import StorageTrouble
from daemon.listener.access import Entrance, TooManyGuesses
from daemon.listener.http.messages import Request, Response
from daemon.listener.page import cookies, rendering
from daemon.listener.page.forms import Form, fields, value
from daemon.listener.page.session import LASTS, LOGIN_LASTS, Session, Sessions
from daemon.model.operators import Operator

NO_COOKIE = (
    "This form has expired, or your browser sent no cookie. From another machine the page needs https. Try again."
)
WRONG = "This token is not known."
NO_DATABASE = "The database cannot be used now. Try again."
TOO_MANY = "Too many wrong tokens were tried. Wait a few seconds, then try again."

PLACE = re.compile(r"/(?!/)[!-\[\]-~]{0,2000}")
"""A path of this host, with its query.

Browsers take two slashes for the beginning of another host, a backslash for a slash, and leave out tabs and line ends.
"""

LEAD_ON = '<!doctype html><html lang="en"><meta http-equiv="refresh" content="0; url={path}"><title>Ignite Sync</title>'
"""A page from which the browser itself goes on: to a path that needs no escaping."""


def to_login(request: Request) -> Response:
    """Send a browser without a session to the login, which leads back to the page that was asked for."""
    # A form cannot be sent again by an address.
    is_form = request.method == "POST"
    asked = "/" if is_form else f"{request.path}{request.raw_query and '?'}{request.raw_query}"
    path = f"/login?next={quote(_place(asked))}"
    if cookies.is_cross_site(request) and not is_form:
        # A browser sends no session when a link of another site leads here, for example one in a message, nor along
        # redirects from there. From a page of ours it does. The login answers with no such page, so this cannot go
        # round in circles.
        return rendering.finished(LEAD_ON.format(path=path))
    return rendering.redirect("/login" if _place(asked) == "/" else path)


def _place(text: str) -> str:
    """Return a text that is a path of this host, else the overview's."""
    return text if PLACE.fullmatch(text) else "/"


@frozen(kw_only=True)
class Login:
    """The handlers of the login. `entered` keeps a login or a logout in the audit log."""

    sessions: Sessions
    entrance: Entrance
    entered: Callable[[Operator, str], Awaitable[None]]

    async def show(self, request: Request) -> Response:
        """Show the form, or lead on if the browser has a session."""
        place = _place(request.query.get("next", ""))
        # Without a place, a person wants to log in with another token.
        if "next" in request.query and self.sessions.find(cookies.read(request, cookies.SESSION)) is not None:
            return rendering.redirect(place)
        return self._form(request, 200, "", place)

    def _form(self, request: Request, status: int, message: str, place: str) -> Response:
        cookie, csrf = self.sessions.new_login()
        values = {"session": None, "csrf": csrf, "message": message, "place": place}
        return rendering.page(
            "login.html", values, status, [cookies.header(request, cookies.LOGIN, cookie, LOGIN_LASTS)]
        )

    async def send(self, request: Request) -> Response:
        """Open a session for a token that is known, else show the form with the reason."""
        form = fields(request)
        place = _place(value(form, "next"))
        of_this_page = self.sessions.is_login(cookies.read(request, cookies.LOGIN), value(form, "csrf"))
        if cookies.is_cross_site(request) or not of_this_page:
            return self._form(request, 403, NO_COOKIE, place)
        try:
            holder = await self.entrance.holder(value(form, "token").strip().encode())
        except TooManyGuesses:
            return self._form(request, 429, TOO_MANY, place)
        if holder is None:
            return self._form(request, 401, WRONG, place)
        try:
            await self.entered(holder.operator, "login")
        except StorageTrouble:
            return self._form(request, 503, NO_DATABASE, place)
        set_cookies = [
            cookies.header(request, cookies.SESSION, self.sessions.open(holder), LASTS),
            cookies.header(request, cookies.LOGIN, "", 0),
        ]
        return rendering.redirect(place, set_cookies)

    async def log_out(self, session: Session, request: Request, _form: Form) -> Response:
        """End the session in this browser."""
        await self.entered(session.operator, "logout")
        return rendering.redirect("/login", [cookies.header(request, cookies.SESSION, "", 0)])
