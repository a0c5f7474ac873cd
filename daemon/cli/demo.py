"""`ignite-sync demo`: a sample store, a stand-in for SparkLayer, and the real daemon between them on this machine.

The store is one of BigCommerce or WooCommerce; see `daemon.cli.demo_shops` for what differs.

It runs over real HTTP and a real database file: full syncs of the AdventureWorks company, with its products, customers
and orders; a second round that writes nothing; and a few edits that arrive by webhook. Code independent of the daemon
checks every claim against both sides. A claim that fails ends the demo with exit code 1. Then a person may explore it,
see `daemon.sandbox.explore`; the configuration of the daemon is in a file, so every command works with it as well.
"""

import json
import os
import secrets
import signal
import socket
import sys
import tempfile
import webbrowser
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click
import trio
from attrs import frozen

from daemon import app
from daemon.cli import stopping
from daemon.cli.client import DaemonClient, RefusedError, UnreachableError, latest_run
from daemon.cli.demo_shops import SHOPS, DemoShop, open_demo_shop
from daemon.cli.progress import progress
from daemon.config import Settings, load
from daemon.errors import first_inside, raise_config_error
from daemon.observability.logging import configure
from daemon.platforms import load_platforms
from daemon.sandbox import SparkLayer, SparkLayerOptions
from daemon.sandbox.expectation import all_differences, held
from daemon.sandbox.explore import open_explorer

T = TypeVar("T")

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

KINDS = ("store", "products", "customers", "orders")
LOGGED = ("products", "customers")
PACE = 100.0
"""Requests per second that the stand-in for SparkLayer accepts: slow enough to watch."""

TIMEOUT = 30.0
"""Seconds without any progress after which the demo fails: a slow machine only takes longer."""

LOOK_SECONDS = 0.02


class DemoFailedError(Exception):
    """A claim of the demo does not hold."""


@click.command()
@click.option("--exit", "exit_when_done", is_flag=True, help="End after the last change has arrived.")
@click.option("--explore", is_flag=True, help="Leave out the figures: explore at once.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0: any free port.")
@click.option(
    "--platform", type=click.Choice(SHOPS), default=SHOPS[0], show_default=True, help="Platform of the store."
)
@click.option("--few", is_flag=True, help="Only a few of the products, customers and orders.")
@click.pass_context
def demo(ctx: click.Context, port: int, platform: str, *, exit_when_done: bool, explore: bool, few: bool) -> None:
    """Show everything on this machine: no account and no settings are needed.

    Starts a sample store, a stand-in for SparkLayer, and the daemon between them. After the figures you can edit the
    store yourself, until Ctrl-C.
    """
    if exit_when_done and explore:
        raise click.UsageError("--exit and --explore exclude each other.")
    with stopping.exiting():
        code = main(exit_when_done=exit_when_done, explore=explore, port=port, platform=platform, few=few)
    ctx.exit(code)


def main(*, exit_when_done: bool, explore: bool = False, port: int, platform: str = SHOPS[0], few: bool = False) -> int:
    """Run the demo; return 0 if every claim holds. Raises ConfigError if the port is in use."""
    configure("warning")
    try:
        trio.run(partial(_demo, exit_when_done=exit_when_done, explore=explore, port=port, platform=platform, few=few))
    except KeyboardInterrupt:
        return 0
    except BaseExceptionGroup as group:  # nurseries wrap the error that ends them; other errors are raised again
        raise_config_error(group)
        failed = group.subgroup(DemoFailedError)
        if failed is None:
            raise
        print(f"\nThe demo failed: {first_inside(failed)}", file=sys.stderr)
        return 1
    return 0


def _show(text: str) -> None:
    """Print a line at once, also into a pipe."""
    print(text, flush=True)


async def _demo(*, exit_when_done: bool, explore: bool, port: int, platform: str, few: bool) -> None:
    with (
        trio.open_signal_receiver(*_ending()) as signals,
        stopping.announced(signal.SIGINT, signal.SIGTERM),
        tempfile.TemporaryDirectory(prefix="ignite-sync-demo-") as folder,
    ):
        async with (
            open_demo_shop(platform, SparkLayerOptions(rate=PACE, burst=20), few=few) as (shop, site),
            trio.open_nursery() as nursery,
        ):
            file, settings = write_settings(Path(folder), shop, site, port or free_port())
            stop = trio.Event()
            host, bound = await nursery.start(app.serve, settings, stop)
            stage = _Stage(shop=shop, site=site, daemon=DaemonClient(settings.listener))
            async with trio.open_nursery() as show:  # it ends before the daemon, because it still calls it
                show.start_soon(_end_at_signal, signals, show.cancel_scope)
                page = f"http://{host}:{bound}"
                _show(f"The daemon listens on {page}, its database is {settings.database.path}.\n")
                if not exit_when_done:
                    _show(welcome(file, settings))
                    show.start_soon(open_browser, page)
                if not explore:
                    await stage.play()
                if not exit_when_done:
                    await _explore(shop, site, page)
                show.cancel_scope.cancel()
            stop.set()


async def _explore(shop: DemoShop, site: SparkLayer, page: str) -> None:
    """Let a person edit the store, until cancelled."""
    # Not earlier: an edit during the acts would make their comparisons fail.
    async with open_explorer(shop.explored, site, page=page) as url:
        _show(INVITATION.format(url=url))
        await open_browser(url)
        await trio.sleep_forever()


def _ending() -> Iterator[signal.Signals]:
    """Yield the signals that end the demo. SIGHUP (the terminal was closed) is one, unless it is ignored (`nohup`)."""
    yield from (signal.SIGINT, signal.SIGTERM)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        yield signal.SIGHUP


async def _end_at_signal(signals: AsyncIterator[int], show: trio.CancelScope) -> None:
    await anext(signals)
    show.cancel()


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


def free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@frozen(kw_only=True)
class _Stage:
    """The acts of the demo. `daemon` calls the running daemon over HTTP, as the commands do."""

    shop: DemoShop
    site: SparkLayer
    daemon: DaemonClient

    async def play(self) -> None:
        """Show all acts in order. Raises DemoFailedError."""
        carts = self.shop.carts()
        products, variants, customers, orders = self.shop.counts
        _show(
            f"The store has {products} products with {variants} variants, {customers}"
            f" customers and {orders} orders, of which {len(carts)} came from SparkLayer."
        )
        began = trio.current_time()
        for kind in KINDS:
            await self._full_sync(kind, 1)
        self._compare()
        self._show_issues()
        await self._sync_again()
        await self._edit_live()
        self._compare()
        _show(f"All of it took {trio.current_time() - began:.1f} s.")

    async def _full_sync(self, kind: str, number: int, run_id: int = 0) -> Any:
        """Watch the running full sync, or the one with this id, until it ends."""
        began, what = trio.current_time(), f"Full sync {number} of {kind}"

        async def look() -> tuple[Any, int]:
            run = latest_run(await self._ask("GET /admin/status"), self._name, kind)
            if run is None or run["id"] < run_id:
                return None, 0
            shown.update(run["done"] + run["failed"], run["total_hint"], run["state"])
            return run, self.site.state.writes  # within a batch only these change

        with progress(what, sys.stderr) as shown:
            run, _ = await _until(look, lambda seen: seen[0] is not None and seen[0]["state"] == "ended", what)
        if not run["succeeded"]:
            raise DemoFailedError(f"the full sync of {kind} did not succeed")
        _show(f"{what}: {run['done']} done, {trio.current_time() - began:.1f} s")
        return run

    async def _ask(self, operation: str, **parameters: object) -> Any:
        """Call the daemon as a command does. Raises DemoFailedError if it does not answer, or refuses."""
        try:
            return await trio.to_thread.run_sync(partial(self.daemon.call, operation, **parameters))
        except (UnreachableError, RefusedError) as error:
            raise DemoFailedError(str(error)) from None

    @property
    def _name(self) -> str:
        return f"{ENV}/{self.site.site_id}"

    def _differences(self) -> list[str]:
        return all_differences(self.shop.state, self.site.state)

    def _compare(self) -> None:
        """Check that both sides agree, and say so. Raises DemoFailedError with the first difference."""
        if wrong := self._differences():
            raise DemoFailedError(f"SparkLayer differs from the store in {len(wrong)} places, first {wrong[0]}")
        state = self.site.state
        site = held(state, self.shop.price_list)
        variants = sum(len(product["variants"]) for product in site["products"].values())
        addresses = sum(len(customer.addresses) for customer in state.customers.customers.values())
        _show(
            f"SparkLayer holds {len(site['products'])} products with {variants} variants, {len(site['stock'])} stock"
            f" levels and {len(site['prices'])} prices, {len(state.customers.customers)} customers with {addresses}"
            f" addresses, and {len(state.purchases.purchases)} purchases: compared one by one, it agrees with"
            " the store."
        )

    def _show_issues(self) -> None:
        _show("\nThe sync-log shows the merchant what to fix:")
        for kind in LOGGED:
            errors = self._errors(kind)
            for error in list(errors.values())[:3]:
                _show(f"  {error.visible_id}: {error.message}")
            _show(f"  ({len(errors)} {kind} in all)")

    async def _sync_again(self) -> None:
        """Show that a second round of full syncs reads everything and writes nothing."""
        _show("\nAgain, with nothing changed:")
        site, done = self.site.state, 0
        reads, writes = self.shop.stand_in.statistics.total, site.writes
        for kind in KINDS:
            started = await self._ask("POST /admin/sync", site=self._name, kind=kind)
            done += (await self._full_sync(kind, 2, started["run"]))["done"]
        if site.writes != writes:
            raise DemoFailedError(f"the second full syncs made {site.writes - writes} writes")
        calls = self.shop.stand_in.statistics.total - reads
        _show(f"They read all {done} entities in {calls} calls, and wrote nothing.")

    async def _edit_live(self) -> None:
        """Show that edits arrive by webhook."""
        nameless = self.shop.without_sku()
        products = sorted(map(int, held(self.site.state)["products"]))
        _show("\nNow the store is edited:")

        async def differences() -> list[str]:
            return self._differences()

        async def errors() -> frozenset[str]:
            return frozenset(self._errors("products"))

        for what, edit in self.shop.edits(self.site, products):
            began = trio.current_time()
            edit()
            await _until(differences, lambda found: not found, what)
            _show(f"  {what} arrived in SparkLayer after {trio.current_time() - began:.1f} s")
        await _until(errors, lambda seen: nameless not in seen, "the error of the fixed product leaves the sync-log")
        _show("  and the fixed product's error left the sync-log")

    def _errors(self, kind: str) -> dict[str, Any]:
        errors: dict[str, Any] = self.site.state.sync_log.logs[self.shop.platform, kind].errors
        return errors


async def _until(look: Callable[[], Awaitable[T]], is_over: Callable[[T], bool], what: str) -> T:
    """Look until it is over; return the last look. Raises DemoFailedError if nothing changes for `TIMEOUT`."""
    seen, since = await look(), trio.current_time()
    while not is_over(seen):
        await trio.sleep(LOOK_SECONDS)
        now = await look()
        if now != seen:
            seen, since = now, trio.current_time()
        elif trio.current_time() - since > TIMEOUT:
            raise DemoFailedError(f"{what}: no progress for {TIMEOUT:.0f} s")
    return seen
