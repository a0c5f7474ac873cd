"""SECURITY.md says what the code does: who may call what, the listener's limits, and which tables are encrypted."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from daemon.listener.apps import AT_ONCE
from daemon.listener.http.limits import Limits
from daemon.listener.page.live import MOST_STREAMS
from daemon.storage.tables import metadata
from daemon.transport.http import LARGEST_BODY
from tests.e2e.process import ADMIN_TOKEN, ROOT, Process, free_port

PAGE = (ROOT / "SECURITY.md").read_text("utf-8")


def rows(heading: str) -> Iterator[list[str]]:
    """Yield the cells of the table below a header line."""
    lines = PAGE[PAGE.index(f"| {heading} |") :].split("\n\n")[0].splitlines()
    for context in lines[2:]:
        yield [cell.strip() for cell in context.strip("|").split("|")]


SETTINGS = f"""
[listener]
public_url = "https://sync.example.com"
admin_token = "{ADMIN_TOKEN}"
ignite_token = "e2e-ignite-token"
[bigcommerce_app]
client_id = "app"
client_secret = "e2e-app-secret"
[security]
secret_keys = ["e2e-secret-key-of-32-characters!"]
"""


@pytest.fixture
async def process(tmp_path: Path) -> Process:
    port = free_port()
    text = SETTINGS.replace("[listener]", f"[listener]\nport = {port}")
    return Process(tmp_path, f'{text}[database]\nurl = "sqlite:///{tmp_path}/a.db"\n', port)


async def test_each_route_is_served_as_the_page_says_and_no_other_is(process: Process) -> None:
    told = {tuple(request.strip("`").split()): int(status) for request, _, status in rows("request")}
    async with process, httpx.AsyncClient(base_url=f"http://127.0.0.1:{process.port}", trust_env=False) as stranger:
        await process.start()
        got = {(method, path): (await stranger.request(method, path)).status_code for method, path in told}
        served = await process.metrics()
    assert got == told
    patterns = {re.sub("/live/site", "/{env}/{site}", path) for _, path in told}
    routes = set(re.findall(r'http_requests_total\{route="([^"]+)"', "\n".join(served)))
    assert len(routes) == len(patterns), "each path of the page is a route of its own"


def test_the_page_has_every_route() -> None:
    source = "".join((ROOT / "daemon" / name).read_text("utf-8") for name in ("app.py", "listener/admin.py"))
    verbs = set(re.findall(r'"(GET|POST|DELETE)", "(/[a-z/]+)"', source))
    ignite = (ROOT / "daemon" / "listener" / "ignite.py").read_text("utf-8").count("Route(")
    told = [tuple(request.strip("`").split()) for request, *_ in rows("request")]
    assert verbs <= set(told)
    assert ignite == sum(path.startswith("/v1/") for _, path in told) == 5


def test_the_limits_are_those_of_the_listener() -> None:
    limits = Limits()
    told = {name: re.match(r"(\d+)(?: (MiB|KiB|s))?", value) for name, value, _ in rows("limit")}
    units = {None: 1, "s": 1, "KiB": 1024, "MiB": 1024 * 1024}
    assert {name: int(found[1]) * units[found[2]] for name, found in told.items() if found} == {
        "body": limits.body,
        "request line and headers": limits.head,
        "number of headers": limits.fields,
        "time for a request to arrive": limits.request_seconds,
        "idle connection": limits.idle_seconds,
        "time to take an answer": limits.send_seconds,
        "connections": limits.connections,
        "unanswered requests, all together": limits.held,
        "visits to a page of an app, at a time": AT_ONCE,
        "live pages, with a session": MOST_STREAMS,
    }
    assert f"Answers above {LARGEST_BODY // 2**20} MiB" in PAGE


def test_the_encrypted_tables_are_those_that_have_something_sealed() -> None:
    told = {name.strip("`") for name, *_ in rows("table")}
    assert told == {name for name, table in metadata.tables.items() if "encrypted" in table.columns}
