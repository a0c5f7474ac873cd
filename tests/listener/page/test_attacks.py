"""Attacks on the page, each refused: guesses, forged forms, hostile texts, frames, planted sessions, a small role."""

import html

import pytest
import trio

from daemon.listener import access
from daemon.listener.page.login import NO_COOKIE, WRONG
from daemon.listener.page.page import ACTIONS, OperatorsPage
from tests.connections.harness import KEY
from tests.listener.page.browser import ANNA, BEN, Browser, Reader, open_page
from tests.listener.page.test_page import PAGE, counts, explained, fill

OPEN = {"/login", "/events", "/static/{name}", "/shared/issues/{link}"}
"""Routes that need no session, and the stream, which answers 401."""


def paths(method: str) -> list[str]:
    """Return every path of the page that needs a session."""
    page = OperatorsPage(tokens=[ANNA], secret_keys=[KEY], operations={}, entered=_nothing, shared=_nothing, now=float)
    patterns = [route.pattern for route in page.routes() if route.method == method and route.pattern not in OPEN]
    known = [pattern.replace("/sites/{env}/{site_id}", PAGE) for pattern in patterns]
    return [path.replace("{action}", action) for path in known for action in (ACTS if "{" in path else [""])]


async def _nothing(*_: object) -> None:
    pass


ACTS = (*ACTIONS, "link")
READS, FORMS = paths("GET"), paths("POST")

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>\"' onmouseover='alert(1)' {{ 7919*7907 }} </textarea></pre>"
)


async def test_without_a_session_everything_leads_to_the_login() -> None:
    async with open_page() as page:
        await fill(page.harness)
        stranger = page.browser()
        stranger.cookies["ignite-sync"] = "forged.cookie"
        for method, paths in (("GET", READS), ("POST", FORMS)):
            for path in paths:
                answer = await stranger.ask(method, path, {"kind": "products"} if method == "POST" else None)
                place = f"/login?next={path}" if method == "GET" and path != "/" else "/login"
                assert (answer.status_code, answer.headers["location"]) == (303, place), path
                assert answer.content == b""
        assert await counts(page) == (2, 2)


@pytest.mark.parametrize("token", ["", "wrong", "anna-toke", "anna-token2", "ANNA-TOKEN", "é", "anna-token\0"])
async def test_a_wrong_token_opens_nothing(token: str) -> None:
    async with open_page() as page:
        browser = page.browser()
        answer = await browser.log_in(token)
        assert (answer.status_code, WRONG in answer.text) == (401, True)
        assert (await browser.get("/")).status_code == 303
        assert token == "" or html.escape(token) not in answer.text.replace(WRONG, "")


async def test_guesses_are_slowed_and_sessions_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_page() as page:
        operator = await page.operator()
        released = trio.Event()
        monkeypatch.setattr(trio, "sleep", lambda seconds, sleep=trio.sleep: wait(seconds, sleep))
        guessed = 0

        async def wait(seconds: float, sleep: object) -> None:
            nonlocal guessed
            if seconds != access.DELAY:
                await sleep(seconds)  # type: ignore[operator]
                return
            guessed += 1
            await released.wait()

        statuses = [(await page.browser().log_in("wrong")).status_code for _ in range(access.FREE)]
        assert statuses == [401] * access.FREE

        async def guess(browser: Browser) -> None:
            statuses.append((await browser.log_in("wrong")).status_code)

        async with trio.open_nursery() as nursery:
            for _ in range(access.AT_ONCE):
                nursery.start_soon(guess, page.browser())
            while guessed < access.AT_ONCE:
                await trio.lowlevel.checkpoint()
            refused = await page.browser().log_in(ANNA.token.reveal())
            assert refused.status_code == 429
            assert (await operator.get(PAGE)).status_code == 200
            released.set()
        assert statuses[access.FREE :] == [401] * access.AT_ONCE
        await page.operator()


async def test_an_act_by_a_reader_is_403_and_in_the_audit_log() -> None:
    async with open_page() as page:
        await fill(page.harness)
        reader = await page.operator(BEN)
        csrf = Reader((await reader.get("/")).text).forms[0][1]["csrf"]
        for action in ACTS:
            for selected in ({"id": "8"}, {}):
                fields = {"csrf": csrf, "kind": "products", **selected}
                answer = await reader.ask("POST", f"{PAGE}/{action}", fields)
                assert answer.status_code == 403, action
                assert "The token ben may read but not act." in answer.text
        assert await counts(page) == (2, 2)
        log = (await page.harness.admin.audit.listed({}))["audit"]
        assert [row["outcome"] for row in log] == ["refused"] * 2 * len(ACTS) + ["done"]


async def test_a_form_without_the_sessions_own_text_is_403() -> None:
    async with open_page() as page:
        await fill(page.harness)
        operator, other = await page.operator(), await page.operator()
        foreign = Reader((await other.get("/")).text).forms[0][1]["csrf"][0]
        own = Reader((await operator.get("/")).text).forms[0][1]["csrf"][0]
        for path in FORMS:
            for csrf in (None, "", "x", foreign, [own, own]):
                fields = {"kind": "products", "id": "8", **({"csrf": csrf} if csrf is not None else {})}
                answer = await operator.ask("POST", path, fields)
                assert answer.status_code == 403, (path, csrf)
            cross = {"sec-fetch-site": "cross-site"}
            assert (await operator.ask("POST", path, {"csrf": own}, **cross)).status_code == 403
            assert (await operator.ask("GET", path)).status_code in {200, 303, 405}
        assert await counts(page) == (2, 2)
        assert (await operator.get("/")).status_code == 200


async def test_another_type_of_body_is_no_form() -> None:
    async with open_page() as page:
        operator = await page.operator()
        own = Reader((await operator.get("/")).text).forms[0][1]["csrf"][0]
        body = f"csrf={own}&kind=products"
        for content_type in ("text/plain", "application/json", "multipart/form-data"):
            answer = await operator.ask("POST", f"{PAGE}/sync", body.encode(), **{"content-type": content_type})
            assert answer.status_code == 403
        many = "&".join(["id=1"] * 2000)
        form = {"content-type": "application/x-www-form-urlencoded"}
        assert (await operator.ask("POST", f"{PAGE}/sync", f"{body}&{many}".encode(), **form)).status_code == 403


async def test_a_login_form_of_another_browser_or_site_opens_nothing() -> None:
    async with open_page() as page:
        victim, attacker = page.browser(), page.browser()
        csrf = Reader((await attacker.get("/login")).text).forms[0][1]["csrf"][0]
        fields = {"csrf": csrf, "token": ANNA.token.reveal()}
        answer = await victim.ask("POST", "/login", fields)
        assert (answer.status_code, NO_COOKIE in answer.text) == (403, True)
        cross = {"sec-fetch-site": "cross-site"}
        assert (await attacker.ask("POST", "/login", fields, **cross)).status_code == 403
        assert (await victim.get("/")).status_code == 303


async def test_a_planted_session_is_never_taken_over() -> None:
    async with open_page() as page:
        attacker = await page.operator(BEN)
        planted = attacker.cookies["ignite-sync"]
        victim = page.browser()
        victim.cookies["ignite-sync"] = planted
        await victim.log_in(ANNA.token.reveal())
        assert victim.cookies["ignite-sync"] != planted
        assert "ben (read)" in (await attacker.get("/")).text
        assert "anna (act)" in (await victim.get("/")).text


async def test_a_logout_removes_the_cookie_and_is_in_the_audit_log() -> None:
    async with open_page() as page:
        browser = await page.operator()
        answer = await browser.send(await browser.get("/"), "/logout")
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
        assert "ignite-sync=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict" in answer.headers["set-cookie"]
        assert (await browser.get("/")).status_code == 303
        log = (await page.harness.admin.audit.listed({}))["audit"]
        assert [(row["action"], row["operator"]) for row in log] == [("logout", "anna"), ("login", "anna")]


async def test_cookies_have_every_flag() -> None:
    async with open_page() as page:
        here = page.browser()
        form = await here.get("/login")
        answer = await here.send(form, "/login", token=ANNA.token.reveal())
        [session, login] = answer.headers.get_list("set-cookie")
        assert session.endswith("; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict")
        assert login == "ignite-sync-login=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"
        behind_a_proxy = Browser(page.address, origin="https://sync.example.com")
        answer = await behind_a_proxy.log_in(ANNA.token.reveal())
        [session, login] = answer.headers.get_list("set-cookie")
        assert session.startswith("__Host-ignite-sync=")
        assert session.endswith("; HttpOnly; SameSite=Strict; Secure")
        assert (await behind_a_proxy.get("/")).status_code == 200


async def test_a_merchants_texts_are_shown_as_texts() -> None:
    async with open_page(instead={("POST", "/admin/explain"): explained(HOSTILE)}) as page:
        await fill(page.harness, HOSTILE, "javascript:alert(1)")
        browser = await page.operator()
        search = await browser.get("/search")
        shown = [await browser.get(path) for path in READS if not path.endswith(".csv")]
        fields = {"site": "test/a", "kind": "products"}
        searched = ("SKU-7", "several", HOSTILE)
        shown += [await browser.send(search, "/search", **fields, text=text) for text in searched]
        shown.append(await browser.send(await browser.get(PAGE), f"{PAGE}/sync", kind=HOSTILE))
        shown.append(await browser.get(f"/search?site={HOSTILE}"))
        shown.append(await browser.get("/audit"))
        shown = [answer for answer in shown if answer.status_code != 303]
        assert sum("&lt;script&gt;" in answer.text for answer in shown) >= 4
        for answer in shown:
            reader = Reader(answer.text)
            assert (reader.scripts, "img" in reader.tags) == (["/static/live.js"], False)
            assert not [name for name in reader.attributes if name.startswith("on") or name == "style"]
            assert not [link for link in reader.links if not link.startswith(("/", "#", "https://"))]
            assert "62615533" not in answer.text


async def test_every_answer_forbids_frames_foreign_code_and_caches() -> None:
    async with open_page() as page:
        browser, stranger = await page.operator(), page.browser()
        search = await browser.get("/search")
        answers = [await browser.get(path) for path in READS]
        answers += [await browser.get("/sites/live/x"), await stranger.get("/"), await stranger.get("/login")]
        answers += [await browser.send(search, "/search", text=""), await stranger.log_in("wrong")]
        answers.append(await stranger.ask("GET", PAGE, **{"sec-fetch-site": "cross-site"}))
        for answer in answers:
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "form-action 'self'" in policy
            assert "unsafe" not in policy
            assert answer.headers["x-frame-options"] == "DENY"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["referrer-policy"] == "same-origin"
