"""The pages that a merchant sees of an app, and the effect of a visit."""

from collections.abc import Mapping

import trio
from attrs import define, field
from trio.testing import wait_all_tasks_blocked

from daemon.errors import Invalid
from daemon.listener.apps import AT_ONCE, Apps
from daemon.listener.http.messages import Request, Response
from daemon.listener.routes import Routes
from daemon.model import Site
from daemon.observability.metrics import Metrics
from daemon.platforms.apps import AppPage, AppRefused, Authorized, Installed, Loaded, Uninstalled, Visit
from tests.each import each

VISITS: dict[str, Visit] = {
    "auth": Installed(store_id="abc123", store="hunter2"),
    "load": Loaded("abc123"),
    "uninstall": Uninstalled("abc123"),
}


PAGES = (*map(AppPage, VISITS), AppPage("callback", "POST", 202))


async def _install(store_id: str) -> Installed:
    return Installed(store_id=store_id, store="hunter2")


AUTHORIZED = Authorized(state="hunter2", install=_install)


@define
class Fake:
    """An app that believes callers who know the word, and the visits that were carried out."""

    refused: str | None = None
    visited: list[tuple[str, Visit]] = field(factory=list)

    def install_url(self, store_id: str, _state: str) -> str:
        return f"https://login.test/{store_id}"

    async def visit(self, page: str, query: Mapping[str, str], body: bytes = b"") -> Visit:
        if page == "callback" and body == b"granted":
            return AUTHORIZED
        if query.get("word") != "please":
            raise AppRefused("Say <b>please</b> & try again.", 401)
        return VISITS[page]

    async def aclose(self) -> None:
        """Nothing to close."""

    async def install_address(self, platform: str, site: Site) -> str:
        if site.id != "waiting":
            raise AppRefused("This site does not wait for a store.", 404)
        if self.refused:
            raise Invalid(self.refused)
        return f"https://login.test/{platform}?state=hunter2"

    async def note(self, platform: str, visit: Visit) -> None:
        if self.refused:
            raise AppRefused(self.refused)
        self.visited.append((platform, visit))


def routes_of(app: Fake) -> Routes:
    apps = Apps(name="fake", label="Fake", pages=PAGES, app=app, visited=app.note, install_address=app.install_address)
    return Routes.of(apps.routes(), Metrics())


def visiting(path: str) -> Request:
    path, _, query = path.partition("?")
    return Request("GET", path, query, {}, b"", keep_alive=True)


async def ask(app: Fake, path: str) -> Response:
    return await routes_of(app).answer(visiting(path))


@each("page", [*VISITS])
async def test_a_visit_is_carried_out_and_told(page: str) -> None:
    app = Fake()
    response = await ask(app, f"/fake/{page}?word=please")
    assert (response.status, app.visited) == (200, [("fake", VISITS[page])])
    assert response.content_type == b"text/html; charset=utf-8"
    assert dict(response.headers)[b"referrer-policy"] == b"no-referrer"
    assert b"hunter2" not in response.body


async def test_a_refusal_is_told_in_words_and_escaped() -> None:
    app = Fake()
    response = await ask(app, "/fake/auth?word=<script>")
    assert (response.status, app.visited) == (401, [])
    assert b"Say &lt;b&gt;please&lt;/b&gt; &amp; try again." in response.body
    assert b"script" not in response.body


@each(
    ("method", "body", "refused", "status"),
    [
        ("POST", b"granted", None, 202),
        ("POST", b"guessed", None, 401),
        ("POST", b"granted", "It was answered already.", 400),
        ("GET", b"granted", None, 405),
    ],
)
async def test_a_page_may_be_posted_to_and_be_answered_as_the_platform_wants(
    method: str, body: bytes, refused: str | None, status: int
) -> None:
    app = Fake(refused=refused)
    response = await routes_of(app).answer(Request(method, "/fake/callback", "", {}, body, keep_alive=True))
    assert response.status == status
    assert app.visited == ([("fake", AUTHORIZED)] if status == 202 else [])
    assert b"hunter2" not in response.body


async def test_a_refusal_of_the_daemon_is_told_too() -> None:
    response = await ask(Fake(refused="Install it again."), "/fake/load?word=please")
    assert (response.status, b"Install it again." in response.body) == (400, True)


@define
class Hanging(Fake):
    """An app whose platform does not answer until it is let."""

    let: trio.Event = field(factory=trio.Event)

    async def visit(self, page: str, query: Mapping[str, str], body: bytes = b"") -> Visit:
        await self.let.wait()
        return await super().visit(page, query, body)


async def test_a_flood_of_visits_is_sent_away_and_asks_the_platform_nothing() -> None:
    app, answers = Hanging(), []
    routes = routes_of(app)

    async def visit() -> None:
        answers.append(await routes.answer(visiting("/fake/auth?word=please")))

    async with trio.open_nursery() as nursery:
        for _ in range(AT_ONCE + 20):
            nursery.start_soon(visit)
        await wait_all_tasks_blocked()
        assert [answer.status for answer in answers] == [503] * 20
        assert dict(answers[0].headers)[b"retry-after"] == b"5"
        app.let.set()
    assert [answer.status for answer in answers[20:]] == [200] * AT_ONCE
    refused = await routes.answer(visiting("/fake/auth?word=no"))
    again = [await routes.answer(visiting("/fake/auth?word=please")) for _ in range(AT_ONCE + 1)]
    assert (refused.status, {answer.status for answer in again}) == (401, {200}), "every place is free again"


async def test_a_site_that_waits_is_sent_to_its_store() -> None:
    response = await ask(Fake(), "/connect/fake?site=live/waiting")
    assert response.status == 303
    headers = dict(response.headers)
    assert headers[b"location"] == b"https://login.test/fake?state=hunter2"
    assert (headers[b"cache-control"], headers[b"referrer-policy"]) == (b"no-store", b"no-referrer")


@each(
    ("query", "refused", "status", "words"),
    [
        ("site=live/another", None, 404, "This site does not wait for a store."),
        ("site=live/waiting", "listener.public_url: must be https", 400, "Listener.public_url: must be https."),
        ("site=<b>/waiting", None, 400, "Open this page as /connect/fake?site=live/ID"),
        ("", None, 400, "Open this page as /connect/fake?site=live/ID"),
    ],
)
async def test_a_page_tells_why_a_site_cannot_be_connected(
    query: str, refused: str | None, status: int, words: str
) -> None:
    response = await ask(Fake(refused=refused), f"/connect/fake?{query}")
    assert (response.status, words in response.body.decode()) == (status, True)
    assert b"<b>" not in response.body
