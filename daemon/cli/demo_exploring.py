"""The parts of the demo that a person needs to explore it: a configuration for the commands, the addresses, a browser.

The daemon of the demo runs with the configuration that is written, so every command works with it as well.
"""

import json
import os
import secrets
import sys
import webbrowser
from collections.abc import Iterator, Mapping
from pathlib import Path

import trio

from daemon.cli.demo_shops import DemoShop
from daemon.config import Settings, load
from daemon.platforms import load_platforms
from daemon.sandbox import SparkLayer

ENV = "test"

WELCOME = """The operators' page is {page}
  log in with the token {token}
In another terminal, while this runs:
  {command} status --config {file}
  (explain, issues, sync and the other commands work too)
"""

INVITATION = """
Edit the store at {url}
  and see each edit arrive in SparkLayer, or wait while SparkLayer is broken. Ctrl-C ends the demo."""


def write_settings(folder: Path, shop: DemoShop, site: SparkLayer, port: int) -> tuple[Path, Settings]:
    """Write the configuration of a daemon between a shop and a site; return the file and its settings."""
    file = folder / "demo.toml"
    file.touch(0o600)
    file.write_text("\n".join(_lines(folder / "demo.db", shop, site, port)) + "\n", "utf-8")
    return file, load(file, {}, load_platforms())


def _lines(database: Path, shop: DemoShop, site: SparkLayer, port: int) -> Iterator[str]:
    tables: Mapping[str, Mapping[str, object]] = {
        "[listener]": {
            "port": port,
            "public_url": f"http://127.0.0.1:{port}",
            "admin_token": secrets.token_urlsafe(),
            "metrics_open": True,
        },
        "[database]": {"url": f"sqlite:///{database}"},
        "[sparklayer]": {"test_url": site.url},
        "[security]": {"secret_keys": [secrets.token_urlsafe(32)]},
        "[[connections]]": {
            "site_env": ENV,
            "site_id": site.site_id,
            "client_id": site.client_id,
            "client_secret": site.client_secret,
            "platform": shop.platform,
        },
        f"[connections.{shop.platform}]": shop.settings,
    }
    for heading, values in tables.items():
        yield heading
        # These values are the same in JSON and TOML: texts, numbers, true, a list of texts.
        yield from (f"{name} = {json.dumps(value)}" for name, value in values.items())


def welcome(file: Path, settings: Settings) -> str:
    """Return the addresses, the token, and a command to try."""
    token = settings.listener.command_token
    called = Path(sys.argv[0])
    return WELCOME.format(
        page=settings.listener.public_url,
        token=token.reveal() if token else "",
        command=called if called.name == "ignite-sync" else "ignite-sync",
        file=file,
    )


async def open_browser(url: str) -> None:
    """Open a page in the browser of a person at this terminal; else do nothing."""
    if _has_person():
        await trio.to_thread.run_sync(_open, url, abandon_on_cancel=True)


def _has_person() -> bool:
    has_display = sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    return has_display and not os.environ.get("CI") and sys.stdin.isatty() and sys.stdout.isatty()


def _open(url: str) -> None:
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return
    # A browser of this class runs in the terminal, where it would hide the demo.
    if type(browser) is not webbrowser.GenericBrowser:
        browser.open(url)
