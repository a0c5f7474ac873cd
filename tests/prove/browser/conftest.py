"""One browser and one site for all tests of this folder. Every test fails that leaves a trouble in a window."""

from collections.abc import Iterator
from typing import Any, Protocol

import pytest
from playwright.sync_api import Browser, StorageState

from tests.prove.browser.site import ANNA, BEN, Site, open_site
from tests.prove.browser.visitor import Visitor, running


class OpenVisitor(Protocol):
    """Opens a window: the fixture `visit`. `options` are those of a context of Playwright, such as `viewport`."""

    def __call__(self, state: StorageState | None = None, **options: Any) -> Visitor:
        """Open it, with the cookies of another visitor if they are given."""
        ...


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with running() as browser:
        yield browser


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run the daemon; what it printed is shown if a test fails."""
    folder = tmp_path_factory.mktemp("site")
    with open_site(folder) as site:
        yield site


@pytest.fixture
def visit(chromium: Browser, site: Site) -> Iterator[OpenVisitor]:
    visitors: list[Visitor] = []

    def opened(state: StorageState | None = None, **options: Any) -> Visitor:
        visitor = Visitor(site.url, chromium.new_context(storage_state=state, **options))
        visitors.append(visitor)
        return visitor

    yield opened
    troubles = [trouble for visitor in visitors for trouble in visitor.troubles]
    for visitor in visitors:
        visitor.context.close()
    assert troubles == []


def _logged_in(chromium: Browser, site: Site, token: str) -> StorageState:
    visitor = Visitor(site.url, chromium.new_context())
    visitor.log_in(token)
    visitor.page.get_by_role("heading", name="Connections").wait_for()
    state = visitor.state()
    visitor.context.close()
    assert visitor.troubles == []
    return state


@pytest.fixture(scope="session")
def anna(chromium: Browser, site: Site) -> StorageState:
    """Lend the cookies of an operator who may act."""
    return _logged_in(chromium, site, ANNA)


@pytest.fixture(scope="session")
def ben(chromium: Browser, site: Site) -> StorageState:
    """Lend the cookies of an operator who may read only."""
    return _logged_in(chromium, site, BEN)
