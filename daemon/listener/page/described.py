"""Descriptions of the page's routes, for /openapi.json. All are for browsers: HTML, forms and redirects."""

from http import HTTPStatus

from daemon.listener.openapi import HTML, Access, AnswerDescription, RouteDescription, page, problems

REFUSED = {
    "s400": "A refusal in words.",
    "s403": "The form was not sent from this page, or the token may read but not act.",
    "s404": "No such connection.",
    "s409": "This cannot be done now.",
    "s503": "The database cannot be used now.",
}


def _opened(summary: str, *, form: bool = False) -> RouteDescription:
    return page(summary, "session", form=form, s303="Not logged in: to the login. Or done: to its page.", **REFUSED)


OVERVIEW = _opened("Every connection")
CONNECTION = _opened("One connection")
SEARCH_FORM = _opened("The form of the search")
SEARCH = _opened("Entities that match a text", form=True)
AUDIT = _opened("Actions of operators")
EVENTS = RouteDescription(
    summary="Changes of what the page shows, as server-sent events",
    access="session",
    answers={
        200: AnswerDescription("The stream.", None, "text/event-stream"),
        **problems(s401="Not logged in.", s503="Too many pages are open."),
    },
)
HISTORY = _opened("The recent history of a connection")
ISSUES_FILE = RouteDescription(
    summary="The issues of a connection as CSV",
    access="session",
    answers={
        200: AnswerDescription(
            "The file. A link of another site: a page that leads on.", None, "text/csv; charset=utf-8"
        )
    }
    | {status: answer for status, answer in CONNECTION.answers.items() if status != HTTPStatus.OK},
)
DRY_RUN_FORM = _opened("The form of a dry run, and the latest one that this node knows")
DRY_RUN = _opened("A dry run, from its start to its end", form=True)
SHARED_ISSUES = page(
    "The issues of one site, for its merchant",
    "none",
    s404="The link has expired, or is incomplete.",
    s503="The database cannot be used now.",
)
ACT = _opened("An action on a connection", form=True)
ACTED = RouteDescription(
    summary="From the address of an action to the page of its connection",
    access="session",
    answers={
        200: AnswerDescription("A link of another site: a page that leads on.", None, HTML),
        303: AnswerDescription("To the page of the connection. Or not logged in: to the login."),
        404: AnswerDescription("No such action.", None, HTML),
    },
)
LEFT_LOGOUT = _opened("Leads to the overview; only the form logs out")
LOGOUT = _opened("End the session", form=True)

_ANYONE: Access = "none"
LOGIN_FORM = page("The form of the login", _ANYONE, s303="Logged in already: to the page that `next` names.")
LOGIN = page(
    "Log in with a token",
    _ANYONE,
    form=True,
    s303="Logged in: to the page that `next` names, or to the overview.",
    s401="The token is wrong.",
    s403="The form was not sent from this page.",
    s429="Too many wrong tokens were sent.",
    s503="The database cannot be used now.",
)
STATIC = RouteDescription(
    summary="A style sheet, script or image of the page",
    access=_ANYONE,
    answers={200: AnswerDescription("The file.", None, "*/*"), **problems(s404="There is no such file.")},
)
