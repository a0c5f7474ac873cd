"""The demo as a person explores it: the real process, asked over HTTP, and commands beside it."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from daemon.cli.demo_shops import SHOPS
from daemon.cli.group import COMMANDS, main
from tests.e2e.exploring import Demo, exploring
from tests.e2e.process import GLANCE, ROOT, TIMEOUT

pytestmark = pytest.mark.timeout(300)

WITHOUT_A_DAEMON = {"demo", "init", "run", "restore", "move-database"}
"""Commands that are for a daemon that does not run."""


@pytest.fixture(params=SHOPS)
def demo(request: pytest.FixtureRequest) -> Iterator[Demo]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell ignores it for us
    try:
        with exploring(request.param) as demo:
            yield demo
    finally:
        signal.signal(signal.SIGINT, before)


class Visitor:
    """A person at the sandbox's page."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def edit(self, path: str, **fields: Any) -> None:
        answer = await self._client.post(path, json=fields)
        assert answer.status_code == 204, answer.text

    async def choices(self) -> Any:
        return (await self._client.get("/choices")).json()

    async def view(self, product: int) -> Any:
        return (await self._client.get("/view", params={"product": product})).json()

    async def seen(self, product: int, is_so: Callable[[Any], bool]) -> Any:
        """Look until it is so, and return the view."""
        with trio.fail_after(TIMEOUT):
            while not is_so(view := await self.view(product)):  # noqa: ASYNC110  another process has no events
                await trio.sleep(GLANCE)
            return view


def in_step(view: Any) -> bool:
    """Return true if SparkLayer holds the product as the store has it."""
    return bool(view["product"]["rows"]) and all(row["same"] for row in view["product"]["rows"])


def title(view: Any) -> Any:
    return view["product"]["rows"][0]


async def test_edits_arrive_also_those_made_during_an_outage(demo: Demo) -> None:
    async with httpx.AsyncClient(base_url=demo.url, trust_env=False) as client:
        visitor = Visitor(client)
        choices = await visitor.choices()
        product, customer = choices["products"][0]["id"], choices["customers"][0]["id"]
        unit = (await visitor.seen(product, in_step))["product"]["units"][0]["id"]

        await visitor.edit("/edit/title", product=product, title="Renamed by hand")
        await visitor.edit("/edit/price", product=product, unit=unit, price="77.10")
        await visitor.edit("/edit/stock", product=product, unit=unit, stock="31")
        assert not in_step(await visitor.view(product))
        rows = (await visitor.seen(product, in_step))["product"]["rows"]
        assert [row["sparklayer"] for row in (rows[0], *rows[2:4])] == ["Renamed by hand", "77.10", "31"]

        await visitor.edit("/break", seconds=600)
        await visitor.edit("/edit/title", product=product, title="Renamed in the dark")
        await visitor.edit("/order", product=product, unit=unit, customer=customer, quantity=2)
        await until_it_waits(demo)
        assert "blocked" in await trio.to_thread.run_sync(command, demo, "status")
        view = await visitor.view(product)
        assert (title(view)["sparklayer"], view["orders"][0]["rows"][1]["sparklayer"]) == ("Renamed by hand", "")
        assert view["down_seconds"] > 0
        await visitor.edit("/break", seconds=0)
        view = await visitor.seen(
            product, lambda view: in_step(view) and all(row["same"] for row in view["orders"][0]["rows"])
        )
    assert title(view)["sparklayer"] == "Renamed in the dark"
    assert view["orders"][0]["rows"][0]["sparklayer"] == "order"

    log_in(demo)
    assert demo.interrupt().splitlines()[-1] == "ignite-sync: stopping"
    assert demo.process.returncode == 0
    assert not demo.config.parent.exists()


async def until_it_waits(demo: Demo) -> None:
    """Return when the daemon says that changes wait for SparkLayer."""
    headers = {"Authorization": f"Bearer {demo.token}"}
    async with httpx.AsyncClient(base_url=demo.page, headers=headers, trust_env=False) as client:
        with trio.fail_after(TIMEOUT):
            while True:
                connection = (await client.get("/admin/status")).json()["connections"][0]
                waiting = [connection["kinds"][kind]["outbox"]["live"] for kind in ("products", "orders")]
                if connection["blocked"] and all(waiting):
                    return
                await trio.sleep(GLANCE)


def command(demo: Demo, *words: str) -> str:
    """Run a command with the configuration of the demo; return its output."""
    line = [sys.executable, "-m", "daemon", *words, "--config", str(demo.config)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False, timeout=TIMEOUT)
    assert "no daemon answers" not in done.stderr
    assert done.stdout, done.stderr
    return done.stdout


def log_in(demo: Demo) -> None:
    """Log in at the operators' page with the token of the demo."""
    with httpx.Client(base_url=demo.page, trust_env=False) as client:
        csrf = re.search(r'name="csrf" value="([^"]+)"', client.get("/login").text)
        assert csrf is not None
        client.post("/login", data={"csrf": csrf[1], "token": demo.token})
        assert "test/sandbox" in client.get("/").text


COMMANDS_TRIED = [
    ("check",),
    ("sync", "test/sandbox", "orders", "--watch"),
    ("status",),
    ("pause", "test/sandbox"),
    ("resume", "test/sandbox"),
    ("issues",),
    ("verify", "test/sandbox", "store"),
    ("explain", "test/sandbox", "products", "1", "--id"),
    ("parked", "list"),
    ("removals", "list", "test/sandbox"),
    ("audit",),
    ("backup", "{folder}/backup.db"),
    ("disconnect", "test/sandbox", "--yes"),
    ("connect", "test/sandbox", "--client-id", "sandbox-client", "--client-secret-file", "{folder}/secret"),
]
"""All commands that a running daemon answers."""


def test_every_command_works_with_its_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {words[0] for words in COMMANDS_TRIED} == COMMANDS.keys() - WITHOUT_A_DAEMON
    (tmp_path / "secret").write_text("sandbox-key", "utf-8")
    with exploring("bigcommerce") as demo:
        monkeypatch.setenv("IGNITE_SYNC_CONFIG", str(demo.config))
        for words in COMMANDS_TRIED:
            with pytest.raises(SystemExit) as ended:
                main([word.format(folder=tmp_path) for word in words])
            said = capsys.readouterr()
            # `status` also ends with 1 if a person should look at something.
            assert ended.value.code in {0, words == ("status",)}, (words, said)
            assert said.out, words
            assert "no daemon answers" not in said.err, words


def test_it_either_ends_or_is_explored(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--exit", "--explore"])
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (2, "")
    assert "--exit and --explore exclude each other" in said.err
