"""The login leads back to the page that was asked for, and never to another host."""

import re
from urllib.parse import quote

from tests.listener.page.browser import ANNA, Reader, open_page
from tests.listener.page.test_page import PAGE

ASKED = f"{PAGE}/history?kind=products&id=a%20b%2F%22"

ELSEWHERE = (
    *(
        "//evil.test",
        "///evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "\\/evil.test",
        "//evil.test/..",
        "/\t/evil.test",
    ),
    *(
        "\t//evil.test",
        "/\n/evil.test",
        " //evil.test",
        "/ /evil.test",
        "/\x00/evil.test",
        "/\x7f",
        "/a\\b",
        "/\u2215evil",
    ),
    *("https://evil.test", "https:/evil.test", "javascript:alert(1)", "evil.test", "@evil.test", ".evil.test", ""),
    *("/\r\nset-cookie: ignite-sync=x", "/" + "a" * 3000),
)


async def test_a_login_leads_to_the_page_that_was_asked_for() -> None:
    async with open_page() as page:
        browser = page.browser()
        login = (await browser.get(ASKED)).headers["location"]
        wrong = await browser.send(await browser.get(login), "/login", token="wrong")
        assert wrong.status_code == 401
        answer = await browser.send(wrong, "/login", token=ANNA.token.reveal())
        assert (answer.status_code, answer.headers["location"]) == (303, ASKED)
        again = await browser.get(login)
        assert (again.status_code, again.headers["location"]) == (303, ASKED)
        assert (await browser.get("/login")).status_code == 200  # for another token


async def test_a_login_leads_to_no_other_host() -> None:
    async with open_page() as page:
        for place in ELSEWHERE:
            browser = page.browser()
            login = f"/login?next={quote(place, safe='')}"
            form = await browser.get(login)
            assert "next" not in Reader(form.text).forms[0][1], place
            sent = await browser.send(form, "/login", token=ANNA.token.reveal(), next=place)
            assert (sent.status_code, sent.headers["location"]) == (303, "/"), place
            led = await browser.get(login)
            assert (led.status_code, led.headers["location"]) == (303, "/"), place
            assert "set-cookie" not in led.headers


async def test_a_link_of_another_site_leads_on_from_here_once() -> None:
    cross = {"sec-fetch-site": "cross-site"}
    async with open_page() as page:
        browser, stranger = await page.operator(), page.browser()
        for path in (ASKED, "/"):
            lead = await stranger.ask("GET", path, **cross)
            assert lead.status_code == 200, path
            [(seconds, place)] = re.findall(r'http-equiv="refresh" content="(\d+); url=(/[^"/]+[^"]*)"', lead.text)
            answer = await browser.get(place)
            assert (seconds, answer.status_code, answer.headers["location"]) == ("0", 303, path)
            # Were the browser to call this one cross-site too, it would go no further.
            assert "http-equiv" not in (await stranger.ask("GET", place, **cross)).text
        assert (await browser.ask("GET", PAGE, **cross)).status_code == 200
        assert "http-equiv" not in (await browser.ask("GET", PAGE, **cross)).text
        sent = await stranger.ask("POST", f"{PAGE}/sync", {}, **cross)
        assert (sent.status_code, sent.headers["location"]) == (303, "/login")


async def test_the_place_after_a_login_is_a_text_of_its_form() -> None:
    async with open_page() as page:
        place = '/"><script>alert(1)</script>'
        form = await page.browser().get(f"/login?next={quote(place)}")
        assert Reader(form.text).forms[0][1]["next"] == [place]
        assert "script" not in Reader(form.text).tags
