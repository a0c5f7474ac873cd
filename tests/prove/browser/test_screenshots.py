"""Pictures of every page in docs/images, taken by `make screenshots`, and shown in docs/page.md."""

import os
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import StorageState

from daemon.listener.page.page import OperatorsPage
from tests.e2e.process import ROOT
from tests.listener.page.browser import ANNA as TOKEN
from tests.prove.browser.conftest import OpenVisitor
from tests.prove.browser.pages import PAGES

IMAGES, DOC = ROOT / "docs" / "images", ROOT / "docs" / "page.md"
WIDE = {"viewport": {"width": 1000, "height": 700}}
PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "color_scheme": "dark"}
PICTURES: Mapping[str, tuple[str, Mapping[str, Any], str]] = {
    **{name: (name, WIDE, "") for name in PAGES},
    "connection-parked": ("connection", WIDE, "#parked"),
    "connection-phone": ("connection", PHONE, ""),
}
"""The pictures by the names of their files: the page, the options of the window, and the place on the page."""

MOST_BYTES = 160_000
OF_SITE = "/sites/{env}/{site_id}"
NOT_PAGES = {"/static/{name}", "/events", "/logout", f"{OF_SITE}/issues.csv", f"{OF_SITE}/{{action}}"}
"""Routes that no person looks at."""


@pytest.mark.chromium
@pytest.mark.timeout(300)
@pytest.mark.parametrize("picture", PICTURES)
def test_take_its_picture(visit: OpenVisitor, anna: StorageState, picture: str, tmp_path: Path) -> None:
    """Take it into docs/images if `make screenshots` asks for that, else only to see that it can be taken."""
    name, options, place = PICTURES[picture]
    page = PAGES[name]
    visitor = visit(anna if page.with_session else None, **options)
    visitor.refusals.add(page.status)
    page.show(visitor)
    visitor.page.get_by_role("heading", level=1, name=page.heading).wait_for()
    visitor.page.evaluate("place => { location.hash = place }", place)
    folder = IMAGES if os.environ.get("SCREENSHOTS") else tmp_path
    folder.mkdir(exist_ok=True)
    visitor.page.screenshot(path=folder / f"{picture}.png")
    assert (folder / f"{picture}.png").stat().st_size <= MOST_BYTES


@pytest.mark.parametrize("picture", PICTURES)
def test_a_page_has_its_picture(picture: str) -> None:
    """A picture is a PNG as wide as its window, small enough for a repository, and the documentation shows it."""
    content = (IMAGES / f"{picture}.png").read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">I", content[16:20]) == (PICTURES[picture][1]["viewport"]["width"],)
    assert len(content) <= MOST_BYTES
    assert re.search(rf"!\[[^\]]{{20,}}\]\(images/{picture}\.png\)", DOC.read_text("utf-8"))


def test_no_picture_is_left_over_and_no_page_without_one() -> None:
    assert {path.stem for path in IMAGES.iterdir()} == PICTURES.keys()
    page = OperatorsPage(
        tokens=[TOKEN], secret_keys=[TOKEN.token], operations={}, entered=_nothing, shared=_nothing, now=float
    )
    routes = {route.pattern for route in page.routes() if route.method == "GET"}
    # A new page: name it in pages.py, take its picture by `make screenshots`, and show that in docs/page.md.
    assert routes - NOT_PAGES == {shown.route for shown in PAGES.values() if shown.route}


async def _nothing(*_: object) -> None:
    pass
