"""The login: a token opens a session, and a logout ends it. Both are kept in the audit log."""

from collections.abc import Awaitable, Callable

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


@frozen(kw_only=True)
class Login:
    """The handlers of the login. `entered` keeps a login or a logout in the audit log."""

    sessions: Sessions
    entrance: Entrance
    entered: Callable[[Operator, str], Awaitable[None]]

    async def show(self, request: Request) -> Response:
        """Show the form."""
        return self._form(request, 200, "")

    def _form(self, request: Request, status: int, message: str) -> Response:
        cookie, csrf = self.sessions.new_login()
        values = {"session": None, "csrf": csrf, "message": message}
        return rendering.page(
            "login.html", values, status, [cookies.header(request, cookies.LOGIN, cookie, LOGIN_LASTS)]
        )

    async def send(self, request: Request) -> Response:
        """Open a session for a token that is known, else show the form with the reason."""
        form = fields(request)
        of_this_page = self.sessions.is_login(cookies.read(request, cookies.LOGIN), value(form, "csrf"))
        if cookies.is_cross_site(request) or not of_this_page:
            return self._form(request, 403, NO_COOKIE)
        try:
            holder = await self.entrance.holder(value(form, "token").strip().encode())
        except TooManyGuesses:
            return self._form(request, 429, TOO_MANY)
        if holder is None:
            return self._form(request, 401, WRONG)
        try:
            await self.entered(holder.operator, "login")
        except StorageTrouble:
            return self._form(request, 503, NO_DATABASE)
        set_cookies = [
            cookies.header(request, cookies.SESSION, self.sessions.open(holder), LASTS),
            cookies.header(request, cookies.LOGIN, "", 0),
        ]
        return rendering.redirect("/", set_cookies)

    async def log_out(self, session: Session, request: Request, _form: Form) -> Response:
        """End the session in this browser."""
        await self.entered(session.operator, "logout")
        return rendering.redirect("/login", [cookies.header(request, cookies.SESSION, "", 0)])
