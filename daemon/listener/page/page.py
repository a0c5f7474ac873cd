"""The handlers of the page. Each needs a session, and each form the session's own text besides.

The operations decide what a role may do, and keep the audit log; a refusal of theirs is shown where it was asked for.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from attrs import Factory, field, frozen

from daemon.errors import CallerError, Conflict, Invalid, NotFound, StorageTrouble
from daemon.listener.access import Entrance
from daemon.listener.http.messages import RETRY_LATER, Request, Response, problem
from daemon.listener.page import cookies, described, dry_run, rendering
from daemon.listener.page.forms import Form, fields, value
from daemon.listener.page.issue_list import as_csv, choices, file_name, narrowed
from daemon.listener.page.live import MOST_STREAMS, Live
from daemon.listener.page.login import NO_DATABASE, Login, to_login
from daemon.listener.page.search import all_sites, one_site
from daemon.listener.page.session import Session, Sessions, is_same
from daemon.listener.page.views import LEVELS, MOST_SHOWN, PLACES, is_running, rates, spots
from daemon.listener.routes import Route, status_of
from daemon.model import Secret
from daemon.model.operators import NamedToken, Operator, Role

Operation = Callable[[dict[str, Any], Operator], Awaitable[Any]]

ACTIONS: Mapping[str, tuple[str, Mapping[str, Any], str]] = {
    "sync": ("/admin/sync", {}, "A full sync was started."),
    "refresh": ("/admin/sync", {"refresh": True}, "A full sync that writes everything was started."),
    "cancel": ("/admin/sync/cancel", {}, "The full sync was cancelled."),
    "retry": ("/admin/parked", {"action": "retry"}, "The parked changes will be retried."),
    "drop": ("/admin/parked", {"action": "drop"}, "The parked changes were dropped."),
    "allow": ("/admin/removals", {}, "The removals were allowed."),
    "pause": ("/admin/pause", {}, "The connection was paused: no calls are made for it."),
    "resume": ("/admin/resume", {}, "The connection was resumed."),
}
"""The actions of a connection's page: the operation, its fixed parameters, and the words when it is done."""

IN_VAIN = {
    "retry": "Nothing was retried: these changes are no longer parked.",
    "drop": "Nothing was dropped: these changes are no longer parked.",
    "allow": "Nothing was allowed: these removals are no longer held.",
}
"""The words of an action that found nothing to do, for example because another operator was quicker."""

LISTED = frozenset({"active", "paused"})
"""States of connections that have lists of issues, parked changes and removals."""

LEFT = frozenset({"leaving", "gone"})
"""States of connections of which nothing is kept but the name."""

READER = Operator("page", Role.READ)
"""Reads for all open pages together."""

UNLISTED = ((b"x-robots-tag", b"noindex"),)


@frozen(kw_only=True)
class OperatorsPage:
    """The page for the holders of `tokens`; `now` is the wall clock, and `operations` are by method and path."""

    tokens: Sequence[NamedToken]
    secret_keys: Sequence[Secret] = field(repr=False)
    operations: Mapping[tuple[str, str], Operation]
    entered: Callable[[Operator, str], Awaitable[None]]
    """Keeps a login or a logout in the audit log."""
    shared: Callable[[str], Awaitable[Any]]
    """Returns what a merchant's link shows. Raises NotFound."""
    now: Callable[[], float]
    _sessions: Sessions = field(
        init=False, default=Factory(lambda self: Sessions(self.secret_keys, self.tokens, self.now), takes_self=True)
    )
    _login: Login = field(
        init=False,
        default=Factory(
            lambda self: Login(sessions=self._sessions, entrance=Entrance(self.tokens, "page"), entered=self.entered),
            takes_self=True,
        ),
    )
    _live: Live = field(init=False, default=Factory(lambda self: Live(self._spots), takes_self=True))

    def routes(self) -> list[Route]:
        """Return the routes; none without a token, so that the page is 404."""
        if not self.tokens:
            return []
        site = "/sites/{env}/{site_id}"
        return [
            Route("GET", "/", self._opened(self._overview), about=described.OVERVIEW),
            Route("GET", "/login", self._login.show, about=described.LOGIN_FORM),
            Route("POST", "/login", self._login.send, about=described.LOGIN),
            Route("GET", "/logout", self._opened(_leave_logout), about=described.LEFT_LOGOUT),
            Route("POST", "/logout", self._sent(self._login.log_out), about=described.LOGOUT),
            Route("GET", "/search", self._opened(self._show_search), about=described.SEARCH_FORM),
            Route("POST", "/search", self._sent(self._search), about=described.SEARCH),
            Route("GET", "/audit", self._opened(self._audit), about=described.AUDIT),
            # A reload may have revoked the token of an open stream.
            Route("GET", "/events", self._events, about=described.EVENTS, replaced=self._live.end),
            Route("GET", site, self._opened(self._connection), about=described.CONNECTION),
            Route("GET", f"{site}/history", self._opened(self._history), about=described.HISTORY),
            Route("GET", f"{site}/issues.csv", self._opened(self._issues_file), about=described.ISSUES_FILE),
            Route("GET", f"{site}/verify", self._opened(self._show_dry_run), about=described.DRY_RUN_FORM),
            Route("POST", f"{site}/verify", self._sent(self._dry_run), about=described.DRY_RUN),
            # Behind the others with `site`: the first pattern that matches serves a path.
            Route("GET", f"{site}/{{action}}", self._opened(self._leave_action), about=described.ACTED),
            Route("POST", f"{site}/{{action}}", self._sent(self._act), about=described.ACT),
            Route("GET", "/shared/issues/{link}", self._shared_issues, about=described.SHARED_ISSUES),
            Route("GET", "/static/{name}", _static, about=described.STATIC),
        ]

    def _opened(self, handler: Callable[..., Awaitable[Response]]) -> Callable[..., Awaitable[Response]]:
        """Return a handler that passes on the session, and sends others to the login."""

        async def opened(request: Request, **words: str) -> Response:
            session = self._sessions.find(cookies.read(request, cookies.SESSION))
            if session is None:
                return to_login(request)
            if "site_id" in words:
                words["site"] = f"{words.pop('env')}/{words.pop('site_id')}"
            try:
                return await handler(session, request, **words)
            except CallerError as error:
                return self._failed(session, status_of(error), _sentence(error))
            except StorageTrouble:
                return self._failed(session, 503, NO_DATABASE)

        return opened

    def _sent(self, handler: Callable[..., Awaitable[Response]]) -> Callable[..., Awaitable[Response]]:
        """Return a handler of a form: it must come from a page of the same session."""

        async def sent(session: Session, request: Request, **words: str) -> Response:
            form = fields(request)
            if cookies.is_cross_site(request) or not is_same(session.csrf, value(form, "csrf")):
                return self._failed(session, 403, "This form was not sent from this page. Open the page again.")
            return await handler(session, request, form, **words)

        return self._opened(sent)

    def _failed(self, session: Session, status: int, message: str) -> Response:
        return rendering.page("message.html", {**_shared(session), "message": message}, status)

    # Looking

    async def _status(self, session: Session) -> list[Any]:
        status = await self.operations["GET", "/admin/status"]({}, session.operator)
        return list(status["connections"])

    async def _found(self, session: Session, site: str) -> Any:
        """Return a connection's status. Raises NotFound."""
        connection = next((each for each in await self._status(session) if each["site"] == site), None)
        if connection is None:
            raise NotFound(f"There is no connection {site}.")
        return connection

    async def _present(self, session: Session, site: str) -> Any:
        """Return the status of a connection that has not left. Raises NotFound."""
        connection = await self._found(session, site)
        if connection["state"] in LEFT:
            raise NotFound(f"The site {site} is not connected.")
        return connection

    async def _overview(self, session: Session, _request: Request) -> Response:
        now = self.now()
        rows = [(connection, spots(connection, now)) for connection in _by_site(await self._status(session))]
        rows.sort(key=lambda row: (LEVELS.index(row[1]["level"]), row[0]["site"]))
        return rendering.page("overview.html", {**_shared(session), "rows": rows})

    async def _connection(self, session: Session, request: Request, site: str) -> Response:
        done = ACTIONS.get(request.query.get("done", ""))
        only = (request.query.get("kind", ""), request.query.get("code", ""))
        return await self._show_connection(session, site, 200, done[2] if done else "", only)

    async def _show_connection(
        self, session: Session, site: str, status: int, message: str, only: tuple[str, str] = ("", ""), link: Any = None
    ) -> Response:
        connection = await self._found(session, site)
        lists: dict[str, list[Any]] = {}
        for name in ("issues", "parked", "removals"):
            listed = connection["state"] in LISTED
            answer = await self.operations["GET", f"/admin/{name}"]({"site": site}, session.operator) if listed else {}
            lists[name] = answer.get(name, [])
        issue_kinds, codes = choices(lists["issues"])
        values = {
            "link": link,
            "issue_kinds": issue_kinds,
            "codes": codes,
            "only_kind": only[0],
            "only_code": only[1],
            "narrowed": narrowed(lists["issues"], *only),
            "connection": connection,
            "live": spots(connection, self.now()),
            "kinds": [
                {"name": name, "running": is_running(kind["full_sync"]), **kind}
                for name, kind in connection["kinds"].items()
            ],
            "rates": list(rates(connection["throttles"])),
            "message": message,
            "failed": status != 200,  # noqa: PLR2004  OK
            "most": MOST_SHOWN,
        }
        return rendering.page("connection.html", {**_shared(session), **values, **lists}, status)

    async def _issues_file(self, session: Session, request: Request, site: str) -> Response:
        query = request.query
        await self._present(session, site)
        answer = await self.operations["GET", "/admin/issues"]({"site": site}, session.operator)
        chosen = narrowed(answer["issues"], query.get("kind", ""), query.get("code", ""))
        return rendering.download(as_csv(chosen), b"text/csv; charset=utf-8", file_name(site))

    async def _shared_issues(self, _request: Request, link: str) -> Response:
        """Show a merchant the issues of one site. There is no session here, and nothing to act with."""
        try:
            answer = await self.shared(link)
        except NotFound:
            return rendering.page("shared.html", {"session": None, "issues": None}, 404, UNLISTED)
        except StorageTrouble:
            return rendering.page("message.html", {"session": None, "message": NO_DATABASE}, 503, UNLISTED)
        return rendering.page("shared.html", {"session": None, "most": MOST_SHOWN, **answer}, 200, UNLISTED)

    async def _spots(self) -> dict[str, dict[str, str]]:
        """Return the live texts of every connection. Any operator may see them."""
        status = await self.operations["GET", "/admin/status"]({}, READER)
        now = self.now()
        return {connection["site"]: spots(connection, now) for connection in _by_site(status["connections"])}

    async def _events(self, request: Request) -> Response:
        """Stream live texts; not a page, so a browser without a session is not sent to the login."""
        if self._sessions.find(cookies.read(request, cookies.SESSION)) is None:
            return problem(401, "Log in first.")
        if self._live.streams >= MOST_STREAMS:
            return problem(503, "Too many pages are open; this one is not live.", RETRY_LATER)
        return rendering.growing(self._live.counted(self._live.events(request.query.get("site", ""))), rendering.EVENTS)

    async def _history(self, session: Session, request: Request, site: str) -> Response:
        kind, id_ = request.query.get("kind", ""), request.query.get("id", "").strip()
        asked = {"site": site} | ({"kind": kind, "id": id_} if id_ else {})
        connection = await self._present(session, site)
        answer = await self.operations["GET", "/admin/history"](asked, session.operator)
        values = {"site": site, "kind": kind, "id": id_, "kinds": list(connection["kinds"]), **answer}
        return rendering.page("history.html", {**_shared(session), **values})

    async def _show_dry_run(self, session: Session, _request: Request, site: str) -> Response:
        values = {**_shared(session), "site": site, "kinds": list((await self._present(session, site))["kinds"])}
        try:
            verified = await self.operations["GET", "/admin/verify"]({"site": site}, session.operator)
        except NotFound:
            verified = None
        return rendering.finished(dry_run.page({**values, "running": verified and verified["running"]}, verified))

    async def _dry_run(self, session: Session, _request: Request, form: Form, site: str) -> Response:
        """Start a dry run, or join the one that is running on this node, and follow it to its end."""
        if self._live.streams >= MOST_STREAMS:
            return self._failed(session, 503, "Too many pages are open. Close some, then try again.")
        kind, joined = value(form, "kind"), False
        asked: dict[str, Any] = {"site": site, "names": MOST_SHOWN} | ({"kind": kind} if kind else {})

        async def ask() -> Any:
            state = await self.operations["GET", "/admin/verify"]({"site": site}, session.operator)
            if self._live.over:  # the reader's token may have been revoked
                raise Conflict(
                    "The settings were reloaded. Open this page again within a minute to follow the dry run."
                )
            return state

        try:
            await self.operations["POST", "/admin/verify"](asked, session.operator)
        except Conflict as conflict:
            try:
                await ask()
            except NotFound:  # none is running: the daemon starts or stops
                raise conflict from None
            joined = True
        values = {**_shared(session), "site": site, "kind": kind, "joined": joined}
        return rendering.growing(self._live.counted(dry_run.growing(values, ask)), rendering.HTML)

    async def _show_search(self, session: Session, request: Request) -> Response:
        return await self._answer_search(session, request.query.get("site", ""), "", "", None, {})

    async def _search(self, session: Session, _request: Request, form: Form) -> Response:
        """Explain what a text names. The text may be a person's name, so it is never in an address."""
        site, kind, text = value(form, "site"), value(form, "kind"), value(form, "text").strip()
        if not text:
            raise Invalid("Enter a SKU, a name, an e-mail address, an order number or an id.")
        what = {"id" if value(form, "by") == "id" else "text": text}

        async def explain(asked: dict[str, Any]) -> Any:
            return await self.operations["POST", "/admin/explain"](asked, session.operator)

        if site:
            answers, unasked = await one_site(explain, await self._found(session, site), kind, what), dict[str, str]()
        else:
            listed = [each for each in await self._status(session) if each["state"] in LISTED]
            answers, unasked = await all_sites(explain, listed, kind, what)
        return await self._answer_search(session, site, kind, text, answers, unasked)

    async def _answer_search(
        self, session: Session, site: str, kind: str, text: str, answers: list[Any] | None, unasked: Mapping[str, str]
    ) -> Response:
        connections = await self._status(session)
        kinds = dict.fromkeys(name for connection in connections for name in connection["kinds"])
        values = {
            "sites": [each["site"] for each in connections if each["state"] in LISTED],
            "kinds": list(kinds),
            "site": site,
            "kind": kind,
            "text": text,
            "answers": [
                answer for answer in answers or () if answer.get("id") or answer.get("matches") or answer["trouble"]
            ],
            "unasked": unasked,
            "searched": answers is not None,
            "places": PLACES,
        }
        return rendering.page("search.html", {**_shared(session), **values})

    async def _audit(self, session: Session, request: Request) -> Response:
        asked = {name: text for name in ("site", "operator", "before") if (text := request.query.get(name, "").strip())}
        answer = await self.operations["GET", "/admin/audit"](asked, session.operator)
        values = {"site": "", "operator": "", "before": "", **asked, "actions": answer["audit"], "more": answer["more"]}
        return rendering.page("audit.html", {**_shared(session), **values})

    # Acting

    async def _leave_action(self, _session: Session, _request: Request, site: str, action: str) -> Response:
        """Lead from the address of an action, which a browser shows with a refusal, to the page of the connection."""
        if action not in ACTIONS and action != "link":
            raise NotFound("There is no such action.")
        return rendering.redirect(rendering.site_path(site))

    async def _act(self, session: Session, _request: Request, form: Form, site: str, action: str) -> Response:
        if action == "link":
            return await self._link(session, site)
        if action not in ACTIONS:
            raise NotFound("There is no such action.")
        path, fixed, _ = ACTIONS[action]
        params: dict[str, Any] = {"site": site, **fixed}
        params |= {"kind": kind} if (kind := value(form, "kind")) else {}
        # A person allows what the page has shown by name, not what was held meanwhile.
        ids = form.get("shown" if value(form, "all") else "id", [])
        params |= {"ids": list(dict.fromkeys(ids))} if ids else {}
        try:
            answer = await self.operations["POST", path](params, session.operator)
        except CallerError as error:
            if isinstance(error, NotFound):
                raise
            # The operation says it of its parameter; a person has selected nothing.
            unselected = action == "allow" and not ids and isinstance(error, Invalid)
            words = "Select the removals to allow." if unselected else _sentence(error)
            return await self._show_connection(session, site, status_of(error), words)
        if action in IN_VAIN and not answer.get("changed", answer.get("allowed")):
            return await self._show_connection(session, site, 409, IN_VAIN[action])
        return rendering.redirect(f"{rendering.site_path(site)}?done={action}")

    async def _link(self, session: Session, site: str) -> Response:
        """Make a link for a site's merchant, and show it once: it is not kept."""
        link = await self.operations["POST", "/admin/issues/link"]({"site": site}, session.operator)
        return await self._show_connection(session, site, 200, "A link for the merchant was created.", link=link)


async def _leave_logout(_session: Session, _request: Request) -> Response:
    """Lead to the overview: a browser shows this address after a logout that was refused. Only the form logs out."""
    return rendering.redirect("/")


async def _static(_request: Request, name: str) -> Response:
    return rendering.static(name)


def _by_site(connections: Sequence[Any]) -> list[Any]:
    """Return one connection of each site: beside the first, an earlier one may still be cleaned up."""
    return list({connection["site"]: connection for connection in reversed(connections)}.values())


def _sentence(error: CallerError) -> str:
    """Return the words of a refusal as a sentence; commands show the same words after a colon."""
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def _shared(session: Session) -> dict[str, Any]:
    """Return the values that every page needs."""
    return {"session": session, "may_act": session.operator.role is Role.ACT, "message": ""}
