"""A person at a browser: a window with cookies of its own, and everything in it that should not have happened.

visitor.log_in(ANNA)
visitor.go("/audit")                    # a path of the daemon's page, or another site's address
visitor.page.get_by_role("button")      # Playwright's page
visitor.troubles                        # console errors, violations of the policy, scripts of merchants, dialogs
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from attrs import define, field
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Page,
    Response,
    Route,
    StorageState,
    expect,
    sync_playwright,
)

from tests.chromium import REMEDY, binary

WATCH = """
addEventListener('securitypolicyviolation', event =>
  console.error(`policy violated: ${event.violatedDirective} by ${event.blockedURI} ${event.sample}`));
window.hacked = () => console.error('a text of a merchant ran as a script');
"""
"""Runs before each page's own scripts. The browser's own message of a violation is collected too."""

PATIENCE = 60_000
"""Milliseconds after which what does not come fails the test; machines are busy."""

REFUSED = re.compile(r"Failed to load resource: the server responded with a status of (\d+)")


@contextmanager
def running() -> Iterator[Browser]:
    """Run a browser until the block ends."""
    program = binary()
    assert program is not None, REMEDY
    # Chromium asks a person before a page elsewhere may reach this machine, which would stop an attack before the
    # page's own answer does. It refuses to run as root in its sandbox; only pages of the tests are opened.
    arguments = ["--disable-features=LocalNetworkAccessChecks", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@define(slots=False)  # Playwright keeps its wrappers of handlers at their object
class Visitor:
    """A browser's window. An answer with a status in `refusals` is no trouble; the browser reports those too."""

    url: str
    context: BrowserContext
    page: Page = field(init=False)
    troubles: list[str] = field(factory=list)
    refusals: set[int] = field(factory=set)

    def __attrs_post_init__(self) -> None:
        self.context.set_default_timeout(PATIENCE)
        self.context.add_init_script(WATCH)
        self.context.on("console", self._collect)
        self.context.on("weberror", lambda error: self.troubles.append(f"error: {error.error}"))
        self.context.on("dialog", self._refuse_dialog)
        self.page = self.context.new_page()

    def go(self, path: str) -> Response:
        """Open a page; return its answer, after redirects."""
        answer = self.page.goto(path if path.startswith("http") else f"{self.url}{path}")
        assert answer is not None
        return answer

    def log_in(self, token: str) -> None:
        """Log in as a person does."""
        self.go("/login")
        self.page.get_by_label("Your token").fill(token)
        self.page.get_by_role("button", name="Log in").click()

    def press(self, name: str) -> None:
        """Press the button of that name."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def state(self) -> StorageState:
        """Return the cookies, for another visitor."""
        return self.context.storage_state()

    def _collect(self, message: ConsoleMessage) -> None:
        refused = REFUSED.match(message.text)
        if message.type in {"error", "warning"} and not (refused and int(refused[1]) in self.refusals):
            self.troubles.append(f"{message.type}: {message.text}")

    def _refuse_dialog(self, dialog: Dialog) -> None:
        self.troubles.append(f"dialog: {dialog.message}")
        dialog.dismiss()


def serve(visitor: Visitor, address: str, html: str) -> None:
    """Have an address show a page that is not ours, inside the browser."""

    def fulfill(route: Route) -> None:
        route.fulfill(status=200, content_type="text/html", body=f"<!doctype html><title>another site</title>{html}")

    visitor.context.route(address, fulfill)
