"""A merchant's link: it shows the issues of one site, until it expires, and is made by operators who may act."""

import base64
import json
import re

import pytest

from daemon.admin.issue_links import DAY, IssueLinks
from daemon.errors import Invalid
from daemon.model import Secret
from tests.connections.harness import KEY
from tests.listener.page.browser import BEN, Reader, ServedPage, open_page
from tests.listener.page.test_attacks import HOSTILE
from tests.listener.page.test_page import PAGE, fill

OTHER = Secret("another key of the tests")


def links(*keys: Secret, at: float = 1000.0) -> IssueLinks:
    return IssueLinks(keys or (KEY,), lambda: at)


async def made(page: ServedPage) -> str:
    """Return the path of a link to the issues of test/a."""
    answer = await page.harness.admin.link_issues({"site": "test/a"})
    assert answer["url"] == f"https://here.test{answer['path']}"
    return str(answer["path"])


async def test_a_merchant_sees_the_issues_of_the_site_and_nothing_to_act_with() -> None:
    async with open_page() as page:
        await fill(page.harness, HOSTILE, "javascript:alert(1)")
        answer = await page.browser().get(await made(page))
        assert answer.status_code == 200
        assert answer.headers["x-robots-tag"] == "noindex"
        assert "content-security-policy" in answer.headers
        shown = Reader(answer.text)
        assert "has no SKU." in shown.shown()
        assert "was refused" not in shown.shown()
        assert (shown.forms, shown.scripts, {"img", "form", "nav"} & shown.tags) == ([], [], set())
        assert not [link for link in shown.links if not link.startswith(("#", "/"))]
        assert "set-cookie" not in answer.headers


async def test_an_operator_makes_a_link_on_the_page_and_the_audit_log_does_not_have_it() -> None:
    async with open_page() as page:
        await fill(page.harness)
        browser = await page.operator()
        answer = await browser.send(await browser.get(PAGE), f"{PAGE}/link")
        path = "/shared/issues/" + answer.text.partition("/shared/issues/")[2].partition('"')[0]
        assert "Mug has no SKU." in (await page.browser().get(path)).text
        log = (await browser.get("/audit")).text
        assert ("link" in log, path.rpartition("/")[2][:20] in log) == (True, False)
        assert re.search(r"until: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", log)
        reader = await page.operator(BEN)
        refused = await reader.ask(
            "POST", f"{PAGE}/link", {"csrf": Reader((await reader.get("/")).text).forms[0][1]["csrf"]}
        )
        assert refused.status_code == 403
        assert f"{PAGE}/link" not in {action for action, _ in Reader((await reader.get(PAGE)).text).forms}
        for days in (0, 91, "7", True, 1.5):
            with pytest.raises(Invalid, match="days: must be a whole number"):
                await page.harness.admin.link_issues({"site": "test/a", "days": days})


async def test_a_link_that_is_over_forged_or_of_a_site_that_left_shows_nothing() -> None:
    async with open_page() as page:
        await fill(page.harness)
        path = await made(page)
        text, _, signature = path.rpartition("/")[2].partition(".")
        content = json.loads(base64.urlsafe_b64decode(text + "=="))
        forged = base64.urlsafe_b64encode(json.dumps(content | {"site": "test/b"}).encode()).decode().rstrip("=")
        odd = (text, f"{text}.", f".{signature}", "x", f"{text}.{signature}0", "x" * 9000, f"{text}.%C3%A9")
        for tried in (f"{forged}.{signature}", *odd):
            answer = await page.browser().get(f"/shared/issues/{tried}")
            assert (answer.status_code, "Mug" in answer.text) == (404, False), tried
        other_site = links(at=page.harness.lifecycle.now()).make("test/b", 7)[0]
        assert (await page.browser().get(f"/shared/issues/{other_site}")).status_code == 404
        await page.harness.lifecycle.disconnect((await page.harness.rows("a"))[0].site)
        assert (await page.browser().get(path)).status_code == 404


def test_a_link_expires_and_ends_with_its_key() -> None:
    token, until = links().make("live/a", 7)
    assert until == 1000.0 + 7 * DAY
    assert links(at=until - 1).open(token) == ("live/a", until)
    assert links(at=until).open(token) is None
    assert links(OTHER, KEY).open(token) == ("live/a", until)
    assert links(OTHER).open(token) is None
