"""Serves the pages of platforms' apps, which merchants see while they install, open or remove one.

The app verifies the caller, and `visited` carries the visit out; both may refuse it. A page tells the result in a
sentence or two, and repeats nothing of the request.

Anyone may call these pages, and verifying a code takes a request to the platform. So `AT_ONCE` visits to a page run at
the same time, and others are answered 503. Otherwise callers could occupy every connection of the listener, and use up
the platform's rate limit for the app.
"""

import html
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypedDict, assert_never

import trio
from attrs import frozen

from daemon.errors import Invalid
from daemon.listener.http.messages import RETRY_LATER, Headers, Request, Response
from daemon.listener.ignite import site_named
from daemon.listener.openapi import HTML, AnswerDescription, RouteDescription
from daemon.listener.routes import Route
from daemon.model import Site
from daemon.platforms.apps import App, AppPage, AppRefused, Authorized, Installed, Loaded, Returned, Uninstalled, Visit


class StartQuery(TypedDict):
    """The site that a merchant connects, live/ID or test/ID."""

    site: str


HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'"),
    (b"referrer-policy", b"no-referrer"),
)
"""The addresses of these pages contain codes and signed payloads, which must not reach other sites or caches."""

AT_ONCE = 8
"""Concurrent visits to one page; merchants install one by one."""

REFUSED = "This did not work"

REFUSALS = {
    400: AnswerDescription("A refusal in words for the merchant.", None, HTML),
    404: AnswerDescription("The site does not wait for a store.", None, HTML),
}
START = RouteDescription(
    summary="Send a merchant's browser to the store of a site that waits for it",
    access="none",
    query=StartQuery,
    answers={
        303: AnswerDescription("To the store."),
        **REFUSALS,
        503: AnswerDescription("Too many at once.", None, HTML),
    },
)

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>
<body><h1>{title}</h1><p>{text}</p></body></html>
"""


def _about(status: int) -> RouteDescription:
    return RouteDescription(
        summary="A call of the platform, or of a merchant's browser, which the app verifies",
        access="none",
        answers={
            status: AnswerDescription("The visit was carried out.", None, HTML),
            **REFUSALS,
            401: AnswerDescription("The caller is not the platform, or came too late.", None, HTML),
            409: AnswerDescription("The site was connected or disconnected meanwhile.", None, HTML),
            503: AnswerDescription("Too many at once, or the platform does not answer.", None, HTML),
        },
    )


@frozen(kw_only=True)
class Apps:
    """The handlers of one platform's app."""

    name: str
    label: str
    pages: Sequence[AppPage]
    app: App
    visited: Callable[[str, Visit], Awaitable[None]]
    install_address: Callable[[str, Site], Awaitable[str]]

    def routes(self) -> list[Route]:
        """Return the routes to serve."""
        pages = [
            Route(
                page.method,
                f"/{self.name}/{page.name}",
                _limited(partial(self._serve, page)),
                about=_about(page.status),
            )
            for page in self.pages
        ]
        return [*pages, Route("GET", f"/connect/{self.name}", _limited(self._start), about=START)]

    async def _serve(self, page: AppPage, request: Request) -> Response:
        """Answer a merchant's browser, or the platform."""
        visit = await self.app.visit(page.name, request.query, request.body)
        await self.visited(self.name, visit)
        return _page(page.status, *self._words(visit))

    async def _start(self, request: Request) -> Response:
        """Send a merchant's browser to the store of a site's pending connection. The query names the site only."""
        env, _, site_id = request.query.get("site", "").partition("/")
        site = site_named(env, site_id)
        if site is None:
            words = f"Open this page as /connect/{self.name}?site=live/ID, with the id of your SparkLayer site."
            raise AppRefused(words)
        target = await self.install_address(self.name, site)
        return Response(303, headers=(*HEADERS, (b"location", target.encode())))

    def _words(self, visit: Visit) -> tuple[str, str]:
        match visit:
            case Installed() | Authorized():
                return "Installed", "Your store can be connected to SparkLayer now. Go on in SparkLayer's dashboard."
            case Loaded():
                return (
                    "Ignite Sync",
                    f"It keeps SparkLayer in step with your {self.label} store. All is set up in SparkLayer.",
                )
            case Uninstalled():
                return "Removed", "Your store is no longer connected to SparkLayer."
            case Returned(success=True):
                return "Done", "Your store has given Ignite Sync its keys. Go on in SparkLayer's dashboard."
            case Returned():
                words = "Your store has given Ignite Sync no keys, so it was not connected."
                return "Not connected", f"{words} To try again, connect it once more in SparkLayer's dashboard."
            case _:
                assert_never(visit)


def _limited(serve: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Return a handler that serves `AT_ONCE` requests at the same time, and answers refusals with a page."""
    slots = trio.Semaphore(AT_ONCE)

    async def limited(request: Request) -> Response:
        try:
            slots.acquire_nowait()
        except trio.WouldBlock:
            return _page(503, "Too busy", "Open this page again in a minute.", RETRY_LATER)
        try:
            return await serve(request)
        except AppRefused as refused:
            return _page(refused.status, REFUSED, str(refused))
        except Invalid as fault:
            return _page(400, REFUSED, f"{str(fault)[:1].upper()}{str(fault)[1:]}.")
        finally:
            slots.release()

    return limited


def _page(status: int, title: str, text: str, more: Headers = ()) -> Response:
    content = PAGE.format(title=html.escape(title), text=html.escape(text))
    return Response(status, content.encode(), b"text/html; charset=utf-8", (*HEADERS, *more))
