"""A daemon with every state at once, the real process between stand-ins, in a thread of its own.

    with open_site(folder) as site:
        site.url                                    # the page; the tokens are ANNA's (act) and BEN's (read)
        site.benches["toys"].store.set_title(1, "x")
        site.run(site.process.idle)                 # an async function, in the thread of the stand-ins

Tests drive a browser, which blocks their thread, so the stand-ins must live in another. The connections:

* bikes: parked changes, held removals, issues, a webhook missing, a full sync of products under way;
* garden: blocked, since the store refuses its credentials;
* kitchen: as bikes, without that full sync; every text that a merchant chooses is `HOSTILE`;
* toys: as bikes, without that full sync; tests may act on it;
* books: works.
"""

import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import trio
from anyio.from_thread import BlockingPortal, start_blocking_portal
from attrs import frozen
from msgspec.structs import replace

from benchmarks.neighbours import open_neighbours
from daemon.admin.issue_links import DAY, IssueLinks
from daemon.engine.pipeline import MOST_ATTEMPTS
from daemon.model import Secret
from daemon.sandbox import Sandbox, answer, samples
from daemon.sandbox.bigcommerce import Store
from daemon.sandbox.bigcommerce.customer_book import NO_GROUP
from daemon.sandbox.bigcommerce.founding import found
from daemon.sandbox.faults import Faults, Held
from daemon.sandbox.message import Request, Response
from tests.e2e.process import GLANCE, SECRET_KEY, TIMEOUT, Process, free_port, settings

T = TypeVar("T")
Connections = Mapping[str, Mapping[str, Any]]
"""The status of each connection, by its name."""

ANNA, BEN = "anna-token-of-the-browser-tests", "ben-token-of-the-browser-tests"
TOKENS = f"""
[[listener.tokens]]
name = "anna"
token = "{ANNA}"
role = "act"
[[listener.tokens]]
name = "ben"
token = "{BEN}"
"""

HOSTILE = "<script>hacked()</script><img src=x onerror=hacked()>\"' onmouseover='hacked()' {{ 7*7 }}"
"""A text that a merchant chooses: run as a script or as markup, it calls a function that tells the test."""

NAMES = ("bikes", "garden", "kitchen", "toys", "books")
TROUBLED = ("bikes", "kitchen", "toys")
LEFT = range(1, 9)
"""Customers who leave their group: most of them, so their removals are held."""
PARKED = (10, 11, 12)
"""Customers whose change SparkLayer refuses until it is parked."""
MISSING = "store/order/refund/created"
"""The webhook that the store of a troubled connection refuses."""
WAITING = ("6", "7")
"""The last products of bikes: their writes are held, so that the full sync stays under way.

They time out, and with a third one the breaker would open.
"""


@frozen(kw_only=True)
class Site:
    """The daemon, the stand-ins around it, and the way into their thread."""

    process: Process
    benches: Mapping[str, Sandbox]
    portal: BlockingPortal

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://127.0.0.1:{self.process.port}"

    def link(self, name: str, seconds: float) -> str:
        """Return the path of a merchant's link that works for another `seconds`: the daemon's own, made earlier."""
        links = IssueLinks((Secret(SECRET_KEY),), lambda: time.time() - DAY + seconds)
        return f"/shared/issues/{links.make(f'test/{name}', 1)[0]}"

    def run(self, function: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """Run an async function in the thread of the stand-ins."""
        return self.portal.call(function, *arguments)

    def until_sparklayer(self, name: str, kind: str, holds: Callable[[Mapping[str, Any]], bool]) -> None:
        """Wait until `holds` of what SparkLayer has of a kind, by the ids of the store."""
        self.run(_until_sparklayer, self.benches[name], kind, holds)

    def when(self, name: str, kind: str, holds: Callable[[dict[str, Any]], bool]) -> None:
        """Wait until `holds` of the status of a kind of a connection."""
        self.run(_until, self.process, lambda connections: holds(connections[name]["kinds"][kind]))

    @contextlib.contextmanager
    def hold(self, name: str, pattern: str, *, store: bool = False) -> Iterator[Held]:
        """Let requests to the SparkLayer site of a connection, or to its `store`, wait until the block ends."""
        bench = self.benches[name]
        held = self.portal.call(_hold, bench.bigcommerce.faults if store else bench.sparklayer.faults, pattern)
        try:
            yield held
        finally:
            self.portal.call(held.release)


@contextlib.contextmanager
def open_site(folder: Path) -> Iterator[Site]:
    """Run the daemon and the stand-ins until the block ends."""
    with start_blocking_portal("trio") as portal, portal.wrap_async_context_manager(_open(folder, portal)) as site:
        yield site


@contextlib.asynccontextmanager
async def _open(folder: Path, portal: BlockingPortal) -> AsyncIterator[Site]:
    async with open_neighbours([_store(name) for name in NAMES], quota=None, names=NAMES) as sandboxes:
        benches = dict(zip(NAMES, sandboxes, strict=True))
        port = free_port()
        async with Process(folder, _settings(benches, port, folder), port) as process:
            await _trouble(process, benches)
            yield Site(process=process, benches=benches, portal=portal)


def _store(name: str) -> Store:
    if name in {"garden", "books"}:
        return found(samples.synthetic(2, 1))
    company = samples.excerpt()
    if name == "kitchen":
        company = replace(
            company,
            products=[replace(product, title=HOSTILE) for product in company.products],
            customers=[replace(customer, company=HOSTILE) for customer in company.customers],
        )
    return found(company)


def _settings(benches: Mapping[str, Sandbox], port: int, folder: Path) -> str:
    parts = []
    for name, bench in benches.items():
        head, section, connection = settings(bench, port, folder / "ignite-sync.db").partition("[[connections]]")
        if name == "garden":
            connection = connection.replace(bench.bigcommerce.access_token, "revoked")
        parts.append(section + connection)
    return head + TOKENS + "".join(parts)


async def _trouble(process: Process, benches: Mapping[str, Sandbox]) -> None:
    """Start the daemon, and bring every connection into its state."""
    troubled = [benches[name] for name in TROUBLED]
    for bench in troubled:
        bench.bigcommerce.faults.add("POST */v3/hooks", _refuse_hook())
    await process.start()
    await _until(process, _at_rest)
    for name, bench in zip(TROUBLED, troubled, strict=True):
        for customer in LEFT:
            bench.store.customers.set_group(customer, NO_GROUP, silent=True)
        await _sync(process, name, "customers")
    await _until(process, _at_rest)
    await _park(process, benches)
    _hold_products(benches["bikes"])
    await _sync(process, "bikes", "products", refresh=True)


async def _park(process: Process, benches: Mapping[str, Sandbox]) -> None:
    """Have changes refused as often as they are tried, then let SparkLayer work again."""
    refusing = [benches[name].sparklayer.faults.add("PUT */customers/*", answer(502, HOSTILE)) for name in TROUBLED]
    for name in TROUBLED:
        for customer in PARKED:
            benches[name].store.customers.update(customer, first_name="Renamed")
    with trio.fail_after(TIMEOUT):
        while any(rule.used < len(PARKED) for rule in refusing):  # noqa: ASYNC110  a foreign process
            await trio.sleep(GLANCE)
    assert await process.terminate() == 0
    with contextlib.closing(sqlite3.connect(process.database)) as database, database:
        database.execute("UPDATE outbox SET attempts = ?, due_at = 0", (MOST_ATTEMPTS - 1,))
        # A minute after webhooks were registered everything is read once, which would try what is parked again.
        database.execute("DELETE FROM gaps")
    await process.start()
    await _until(process, _parked)
    for name, rule in zip(TROUBLED, refusing, strict=True):
        benches[name].sparklayer.faults.remove(rule)


def _hold_products(bench: Sandbox) -> None:
    for product in WAITING:
        _hold(bench.sparklayer.faults, f"PATCH */products/*{product}")


def _hold(faults: Faults, pattern: str) -> Held:
    held = Held()
    faults.add(pattern, held.act)
    return held


def _refuse_hook() -> Any:
    async def act(request: Request, _response: Response | None) -> Response | None:
        if msgspec.json.decode(request.body).get("scope") != MISSING:
            return None
        return Response(
            status=422,
            headers={"content-type": "application/json"},
            body=b'{"status": 422, "title": "No more webhooks of this scope are allowed."}',
        )

    return act


async def _sync(process: Process, name: str, kind: str, **wishes: bool) -> None:
    order = {"site": f"test/{name}", "kind": kind, **wishes}
    (await process.request("POST", "/admin/sync", json=order)).raise_for_status()


async def _until(process: Process, holds: Callable[[Connections], bool]) -> None:
    """Wait until `holds` of the status of the connections, by name."""
    with trio.fail_after(TIMEOUT):
        while True:
            status = (await process.request("GET", "/admin/status")).raise_for_status().json()
            if holds({connection["site"].partition("/")[2]: connection for connection in status["connections"]}):
                return
            await trio.sleep(GLANCE)


async def _until_sparklayer(bench: Sandbox, kind: str, holds: Callable[[Mapping[str, Any]], bool]) -> None:
    with trio.fail_after(TIMEOUT):
        while not holds(bench.sparklayer.state.comparable()[kind]):  # noqa: ASYNC110  a foreign process writes there
            await trio.sleep(GLANCE)


def _at_rest(connections: Connections) -> bool:
    """Return whether every full sync is over and nothing waits; garden's never are."""
    kinds = [kind for name in NAMES if name != "garden" for kind in connections[name]["kinds"].values()]
    return all(
        kind["full_sync"] is not None
        and kind["full_sync"]["state"] == "ended"
        and not kind["outbox"]["live"] + kind["outbox"]["backfill"]
        for kind in kinds
    )


def _parked(connections: Connections) -> bool:
    return all(connections[name]["kinds"]["customers"]["outbox"]["parked"] == len(PARKED) for name in TROUBLED)
