"""Has assertions beside the tests tell what they compared; draws seeds; prints the table of classes."""

import contextlib
import gc
import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import structlog

from daemon.model import Secret
from tests import chromium, pgbouncer
from tests.classes import held, table
from tests.databases import Engines, InlineDatabase, new_database, using
from tests.pgbouncer import Pooler, pooling
from tests.postgres import REMEDY, Server, binaries, running
from tests.seed import draw

TESTS = Path(__file__).parent
SHARE_ON_POSTGRES = 6
"""Every sixth test above the storage runs on PostgreSQL too. The rest is run alone, with REST_ON_POSTGRES: every second
of it where that is 2, as in `make prove`, and all of it where it is 1, as in `make engines`."""

GARBAGE = 50_000
"""Number of objects after which a process of the tests collects garbage; by default that takes a tenth of the time."""

ENGINES = ("sqlite", pytest.param("postgres", marks=pytest.mark.postgres))

pytest.register_assert_rewrite(
    "tests.e2e.harness",
    "tests.e2e.process",
    "tests.engine.histories",
    "tests.prove.process.watch",
    "tests.conformance.promises",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what prints which tests hold which class of wrong behaviour."""
    parser.addoption("--classes", action="store_true", help="print the classes of tests/classes.py with their tests")


def pytest_configure() -> None:
    """Have garbage collected seldom."""
    gc.set_threshold(GARBAGE)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Print that table; keep the collector away from the tests' own objects, which live until the end."""
    gc.freeze()
    if session.config.getoption("--classes"):
        print(table(held(session.items)))  # noqa: T201  it was asked for


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the tests of programs out that are not installed; in CI that is an error. Order the others."""
    for marker, remedy in _missing().items():
        wanting = [item for item in items if item.get_closest_marker(marker)]
        if wanting and os.environ.get("CI"):
            raise pytest.UsageError(remedy)
        items[:] = [item for item in items if item not in wanting]
        config.hook.pytest_deselected(items=wanting)
    again = sorted(filter(_repeats_on_postgres, items), key=lambda item: item.nodeid)
    share = set(again[::SHARE_ON_POSTGRES])
    left_out = {*again} - share
    if step := int(os.environ.get("REST_ON_POSTGRES", "0")):
        rest = [item for item in again if item not in share]
        left_out = {item for item in items if _is_above_storage(item)} - {*rest[::step]}
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=list(left_out))
    items.sort(key=_seconds, reverse=True)  # at the end of a run, one process would be left with them
    items[:] = _spread(items)
    for item in items if step else ():
        if _is_above_storage(item):
            # A day in a test is many real transactions there, so a busy machine gets longer for each.
            item.add_marker(pytest.mark.timeout(600))


def _seconds(item: pytest.Item) -> float:
    """Return the limit of a test that may take longer than the others; 0 for these."""
    marker = item.get_closest_marker("timeout")
    return 0.0 if marker is None else float(marker.args[0])


def _spread(items: Sequence[pytest.Item]) -> Iterator[pytest.Item]:
    """Yield all tests, those of the real process evenly among the others.

    They wait most of the time. Next to each other, they would leave the processors idle when every worker has one.
    """
    waiting = [item for item in items if item.path.is_relative_to(TESTS / "e2e")]
    others = [item for item in items if not item.path.is_relative_to(TESTS / "e2e")]
    each = len(others) // (len(waiting) + 1)
    for place, item in enumerate(waiting):
        yield from others[place * each : (place + 1) * each]
        yield item
    yield from others[len(waiting) * each :]


def _repeats_on_postgres(item: pytest.Item) -> bool:
    """Return True for a test above the storage that runs on SQLite too."""
    callspec = getattr(item, "callspec", None)
    return _is_above_storage(item) and callspec is not None and callspec.params.get("both_engines") == "postgres"


def _is_above_storage(item: pytest.Item) -> bool:
    return item.path.is_relative_to(TESTS / "engine") or item.path.is_relative_to(TESTS / "connections")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how to get what is missing."""
    for remedy in _missing().values():
        terminalreporter.write_line(remedy, yellow=True)


def _missing() -> dict[str, str]:
    """Return the markers of tests whose program is not installed, with how to get it."""
    programs = {
        "postgres": (binaries(), REMEDY),
        "pgbouncer": (pgbouncer.binary(), pgbouncer.REMEDY),
        "chromium": (chromium.binary(), chromium.REMEDY),
    }
    return {marker: remedy for marker, (program, remedy) in programs.items() if program is None}


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture
def postgres_url(server: Server) -> Iterator[Secret]:
    """Lend an empty database of the test's own."""
    with server.database() as url:
        yield url


@pytest.fixture(scope="session")
def pooler(server: Server) -> Iterator[Pooler]:
    """Lend a PgBouncer in front of the server."""
    with pooling(server) as pooler:
        yield pooler


@pytest.fixture(scope="session")
def postgres_engines(server: Server) -> Iterator[Engines]:
    engines = Engines(server)
    yield engines
    engines.close()


@pytest.fixture(params=ENGINES)
def both_engines(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run the test with the databases of each engine in turn; return the engine's name."""
    engines = request.getfixturevalue("postgres_engines") if request.param == "postgres" else None
    with using(engines) if engines is not None else contextlib.nullcontext():
        yield request.param


@pytest.fixture
def inline(both_engines: str) -> Iterator[InlineDatabase]:
    """Lend an empty database without threads, on each engine in turn."""
    database = new_database()
    yield database
    database.close()


@pytest.fixture(autouse=True)
def chance() -> random.Random:
    """Seed the random choices of the test and of the daemon, such as its waits; SEED=17 repeats them."""
    seed = int(os.environ.get("SEED") or draw())
    print(f"seed {seed}")  # noqa: T201  pytest shows it with a failure
    random.seed(seed)
    return random.Random(seed)


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Undo the set-up of logging by daemons and commands that run in this process: their stream is closed by now."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
