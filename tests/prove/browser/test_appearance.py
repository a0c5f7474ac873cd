"""Every page in light and dark, on a phone, and by the keyboard alone; axe-core finds nothing."""

from collections.abc import Sequence
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page, StorageState

from tests.prove.browser.conftest import OpenVisitor
from tests.prove.browser.looking import CONTRAST, CUT_OFF, FOCUSED, NUMBER_TARGETS, SMALL_TARGETS
from tests.prove.browser.pages import PAGES
from tests.prove.browser.visitor import Visitor

pytestmark = [pytest.mark.chromium, pytest.mark.timeout(300)]

SCHEMES: Sequence[Literal["light", "dark"]] = ("light", "dark")
PHONE = {"width": 360, "height": 740}


def shown(visit: OpenVisitor, anna: StorageState, name: str, **options: Any) -> Visitor:
    """Return a window that shows the page of that name."""
    page = PAGES[name]
    visitor = visit(anna if page.with_session else None, **options)
    visitor.refusals.add(page.status)
    page.show(visitor)
    visitor.page.get_by_role("heading", level=1, name=page.heading).wait_for()
    return visitor


def found_by_axe(page: Page) -> list[tuple[str, ...]]:
    """Return the rules that a page breaks, each with its impact, the element and the reason."""
    return [
        (violation["id"], violation["impact"], node["html"], node["failureSummary"])
        for violation in Axe().run(page).response["violations"]
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_in_light_and_dark(visit: OpenVisitor, anna: StorageState, name: str) -> None:
    visitor = shown(visit, anna, name)
    for scheme in SCHEMES:
        visitor.page.emulate_media(color_scheme=scheme)
        seen = visitor.page.evaluate(CONTRAST)
        assert (seen["ground"] > seen["text"]) is (scheme == "light")
        assert found_by_axe(visitor.page) == []


def test_axe_finds_what_is_planted(visit: OpenVisitor, anna: StorageState) -> None:
    visitor = shown(visit, anna, "login", color_scheme="dark")
    visitor.page.evaluate("document.querySelector('h1').insertAdjacentHTML('afterend', '<button></button>')")
    visitor.page.evaluate("document.querySelector('h1').style.color = '#333'")
    assert {(rule, impact) for rule, impact, *_ in found_by_axe(visitor.page)} == {
        ("button-name", "critical"),
        ("color-contrast", "serious"),
    }


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_shows_all_without_moving_it_sideways(visit: OpenVisitor, anna: StorageState, name: str) -> None:
    visitor = shown(visit, anna, name, viewport=PHONE, has_touch=True, is_mobile=True)
    assert visitor.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert visitor.page.evaluate(CUT_OFF) == []
    assert visitor.page.evaluate(SMALL_TARGETS) == []


@pytest.mark.parametrize("name", PAGES)
def test_the_tab_key_reaches_everything_in_its_order_and_shows_where_it_is(
    visit: OpenVisitor, anna: StorageState, name: str
) -> None:
    visitor = shown(visit, anna, name)
    targets = visitor.page.evaluate(NUMBER_TARGETS)
    stops: list[dict[str, Any]] = []
    # The login begins in its field. After the last target the focus is on the browser's own parts for one press.
    for _ in range(2 * targets + 1):
        visitor.page.keyboard.press("Tab")
        stop = visitor.page.evaluate(FOCUSED)
        if stop["number"] == 0 or stops:
            stops.append(stop)
    stops = stops[:targets]
    assert [stop["number"] for stop in stops] == list(range(targets))
    assert [stop["html"] for stop in stops if not stop["ring"] or not stop["inside"]] == []
