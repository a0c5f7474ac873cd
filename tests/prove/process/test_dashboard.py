"""Every query of the dashboard, run by a real Prometheus that scrapes a real daemon."""

import contextlib
import json
import os
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
import yaml

from daemon.observability.series import COUNTERS, GAUGES, HISTOGRAMS
from tests.e2e.harness import OpenHarness
from tests.e2e.process import ADMIN_TOKEN, ROOT, TIMEOUT, free_port

DASHBOARD = json.loads((ROOT / "config/grafana-dashboard.json").read_text("utf-8"))
NAMES = {f"ignite_sync_{name}" for name in (*COUNTERS, *GAUGES, *HISTOGRAMS)}
GRAFANA = {"$site": ".*", "$__rate_interval": "30s"}
"""Values of Grafana's variables."""


def queries() -> Iterator[Any]:
    """Yield each query of each panel."""
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")


def as_grafana_asks(query: str) -> str:
    for variable, value in GRAFANA.items():
        query = query.replace(variable, value)
    assert "$" not in query
    return query


@contextlib.asynccontextmanager
async def prometheus(folder: Path, target: str) -> AsyncIterator[httpx.AsyncClient]:
    """Run a Prometheus with our scrape configuration and alerts, once a second, from `target`."""
    program = os.environ.get("PROMETHEUS") or shutil.which("prometheus") or str(ROOT / ".venv/prometheus")
    settings = yaml.safe_load((ROOT / "config/prometheus.yml").read_text("utf-8"))
    settings["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    settings["rule_files"] = [str(ROOT / "config" / name) for name in settings["rule_files"]]
    settings["scrape_configs"][0]["static_configs"][0]["targets"] = [target]
    (folder / "admin_token").write_text(ADMIN_TOKEN, "utf-8")
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings), "utf-8")
    port = free_port()
    options = {"config.file": folder / "prometheus.yml", "storage.tsdb.path": folder / "tsdb"}
    flags = [f"--{name}={value}" for name, value in options.items()]
    command = [program, f"--web.listen-address=127.0.0.1:{port}", "--log.level=error", *flags]
    async with trio.open_nursery() as nursery:
        process = await nursery.start(partial(trio.run_process, command, check=False))
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
                yield client
        finally:
            process.terminate()


async def ask(client: httpx.AsyncClient, query: str) -> list[Any]:
    """Return the series of a query. A Prometheus that starts has none."""
    with contextlib.suppress(httpx.TransportError):
        answered = await client.get("/api/v1/query", params={"query": query})
        if answered.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            assert answered.status_code == httpx.codes.OK, f"{query}: {answered.text}"
            series: list[Any] = answered.json()["data"]["result"]
            return series
    return []


async def until_shown(client: httpx.AsyncClient, wanted: dict[str, str]) -> None:
    """Wait until every query has shown data; they are by name."""
    missing = dict(wanted)
    with trio.move_on_after(TIMEOUT):
        while missing:
            for name, query in list(missing.items()):
                if await ask(client, query):
                    del missing[name]
            await trio.sleep(0.2)
    assert not missing


@pytest.mark.parametrize("query", list(queries()))
def test_a_query_names_what_there_is(query: str) -> None:
    named = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"ignite_sync_\w+", query)}
    assert named <= NAMES
    assert named or "process_" in query


async def test_every_query_shows_data_of_a_blocked_site(harness: OpenHarness, tmp_path: Path) -> None:
    """The queries of blocked sites are empty otherwise."""
    async with harness() as h:
        await h.first_sync()
        h.store.set_title(1, "Jumper")
        await h.settle()
        h.shop.access_token = "another"
        h.store.set_title(1, "Sweater")
        await h.process.until_blocked("platform: credentials")
        async with prometheus(tmp_path, f"127.0.0.1:{h.process.port}") as client:
            await until_shown(client, {str(given.id): as_grafana_asks(given.values[0]) for given in queries()})
            await until_shown(client, {"pending alert": 'ALERTS{alertname="IgniteSyncBlocked"}'})
            since = await ask(client, "min(time() - ignite_sync_blocked_since_timestamp_seconds)")
            assert 0 <= float(since[0]["value"][1]) < TIMEOUT * 3
