"""The demo opens a browser for a person at a terminal with a display, and for no other reader."""

import sys
import webbrowser
from collections.abc import Mapping

import pytest

from daemon.cli.demo import open_browser

URL = "http://127.0.0.1:8080"


class OnTerminal:
    """A stream of a terminal, or of a pipe."""

    def __init__(self, *, is_terminal: bool) -> None:
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


def opened(monkeypatch: pytest.MonkeyPatch, browser: webbrowser.BaseBrowser | None) -> list[str]:
    """Let `browser` be the system's; return the list of pages that are opened in it."""
    pages: list[str] = []

    def get() -> webbrowser.BaseBrowser:
        if browser is None:
            raise webbrowser.Error("could not locate runnable browser")
        return browser

    monkeypatch.setattr(webbrowser, "get", get)
    if browser is not None:
        monkeypatch.setattr(browser, "open", pages.append)
    return pages


def sit_down(
    monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str], *, reads: bool = True, writes: bool = True
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("CI", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdin", OnTerminal(is_terminal=reads))
    monkeypatch.setattr(sys, "stdout", OnTerminal(is_terminal=writes))


@pytest.mark.parametrize("display", ["DISPLAY", "WAYLAND_DISPLAY"])
async def test_a_person_gets_the_page(monkeypatch: pytest.MonkeyPatch, display: str) -> None:
    sit_down(monkeypatch, {display: ":0"})
    pages = opened(monkeypatch, webbrowser.BackgroundBrowser("xdg-open"))
    await open_browser(URL)
    assert pages == [URL]


@pytest.mark.parametrize(
    ("variables", "reads", "writes"),
    [
        ({}, True, True),
        ({"DISPLAY": ""}, True, True),
        ({"DISPLAY": ":0", "CI": "1"}, True, True),
        ({"DISPLAY": ":0"}, False, True),
        ({"DISPLAY": ":0"}, True, False),
    ],
    ids=["no display", "an empty display", "CI", "no terminal to read", "a pipe"],
)
async def test_no_other_reader_does(
    monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str], *, reads: bool, writes: bool
) -> None:
    sit_down(monkeypatch, variables, reads=reads, writes=writes)
    pages = opened(monkeypatch, webbrowser.BackgroundBrowser("xdg-open"))
    await open_browser(URL)
    assert pages == []


@pytest.mark.parametrize("browser", [None, webbrowser.GenericBrowser("lynx")], ids=["none", "one in the terminal"])
async def test_without_a_browser_of_its_own_window_nothing_happens(
    monkeypatch: pytest.MonkeyPatch, browser: webbrowser.BaseBrowser | None
) -> None:
    sit_down(monkeypatch, {"DISPLAY": ":0"})
    pages = opened(monkeypatch, browser)
    await open_browser(URL)
    assert pages == []
