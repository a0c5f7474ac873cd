"""Debian's Chromium: its path, and how to get it. `tests/prove/browser` drives it; no other browser is downloaded."""

import shutil

REMEDY = (
    "Chromium is not installed, so the tests of the page in a browser are left out; to get it: apt-get install chromium"
)


def binary() -> str | None:
    """Return the path of the program; None when it is not installed."""
    return shutil.which("chromium")
