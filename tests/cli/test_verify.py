"""`ignite-sync verify` against a daemon with canned answers: its polls, its lines and its exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest
import trio

from daemon.cli import verify as command
from daemon.storage.database import open_database
from tests.cli.admin import admin, assert_one_line, call, unused_port, write_config

COUNTS = dict.fromkeys(("create", "change", "unchanged", "remove", "held", "issues", "failing"), 0)
SITE = ("verify", "live/x")


def kind(*, over: bool = True, counts: dict[str, int] | None = None, **found: Any) -> dict[str, Any]:
    lists: dict[str, Any] = {name: [] for name in ("create", "change", "remove", "held", "issues", "failing")}
    return {"over": over, "seen": 5, "counts": COUNTS | (counts or {}), "leftovers": None, **lists, **found}


def state(*, running: bool = False, nothing_to_do: bool = False, **found: Any) -> dict[str, Any]:
    known: dict[str, Any] = {"trouble": None, "set_up": [], "writes": {}, "unknown": [], "nothing_to_do": nothing_to_do}
    return {
        "site": "live/x",
        "running": running,
        "nothing_to_do": nothing_to_do,
        "kinds": {"products": kind()},
        **known,
        **found,
    }


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_POLL_SECONDS", 0.0)


def test_it_is_polled_to_its_end_and_shows_the_progress() -> None:
    begun, going = state(running=True, kinds={"products": kind(over=False)}), state(running=True)
    with admin((200, begun), (200, going), (200, state(nothing_to_do=True))) as server:
        result = call(*SITE, "products", "--all", "--config", "s.toml")
    assert [(method, path, body) for method, path, _, body in server.asked] == [
        ("POST", "/admin/verify", {"site": "live/x", "kind": "products", "all": True}),
        ("GET", "/admin/verify?site=live/x", None),
        ("GET", "/admin/verify?site=live/x", None),
    ]
    assert result.exit_code == 0
    assert result.stderr.splitlines() == ["Dry run of live/x: 5, products", "Dry run of live/x: 5"]
    assert result.stdout.splitlines() == [
        "live/x products: 0 to create, 0 to change, 0 unchanged, 0 to remove, 0 held, 0 with issues",
        "Nothing was written.",
    ]


def test_everything_that_was_found_is_told() -> None:
    found = kind(
        counts={"create": 21, "held": 1, "issues": 1, "failing": 1},
        create=[{"id": "7", "name": "Mug"}],
        held=[{"id": "8", "variant": "81", "name": "Cup, RED", "kind": "products"}],
        issues=[{"id": "9", "name": "Hat", "problems": [{"code": "x", "message": "No SKU."}]}],
        failing=[{"id": "10", "error": "HTTP status 500"}],
        leftovers="some products cannot be read",
    )
    whole = state(
        kinds={"products": found, "orders": kind(over=False)},
        set_up=["make the price list"],
        writes={"createProduct": 21},
        unknown=["groups"],
        trouble="BigCommerce: 401",
    )
    with admin((200, whole)):
        result = call(*SITE, "--config", "s.toml")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "live/x products: 21 to create, 0 to change, 0 unchanged, 0 to remove, 1 held, 1 with issues",
        "  create 7  Mug",
        "  ... and 20 more (create; --all names them)",
        "  hold the removal of 8, variant 81  Cup, RED",
        "  issue 9  Hat: No SKU.",
        "  could not be read: 10: HTTP status 500",
        "  not known: what a lost database left in SparkLayer, since some products cannot be read",
        "live/x orders: 0 to create, 0 to change, 0 unchanged, 0 to remove, 0 held, 0 with issues; not read to the end",
        "Before that: make the price list",
        "Calls that would write: 21 createProduct",
        "Not known before a sync: groups",
        "This is incomplete: BigCommerce: 401",
        "Nothing was written.",
    ]
    with admin((200, whole)):
        assert json.loads(call(*SITE, "--json", "--config", "s.toml").stdout) == whole


def test_refusals_are_one_line() -> None:
    with admin((409, {"detail": "a dry run of live/x is already running"})):
        line = "the daemon refused this (409): a dry run of live/x is already running"
        assert_one_line(call(*SITE, "--config", "s.toml"), 1, line)
    with admin((200, state(running=True)), (404, {"detail": "there is no dry run of live/x"})):
        result = call(*SITE, "--config", "s.toml")
    assert (result.exit_code, result.stdout) == (1, "")
    with admin((200, {"site": "live/x", "running": False, "kinds": {}})):
        assert "unknown to this version" in call(*SITE, "--config", "s.toml").stderr


def test_ctrl_c_ends_it_in_the_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupt)
    with admin((200, state(running=True)), (200, {"site": "live/x", "running": False})) as server:
        result = call(*SITE, "--config", "s.toml")
    assert result.exit_code == 1
    assert server.asked[-1][:2] == ("POST", "/admin/verify/cancel")


@pytest.mark.parametrize("makes_database", [False, True], ids=["no database yet", "a database"])
def test_without_a_daemon_an_unknown_site_is_one_line(*, makes_database: bool) -> None:
    write_config(unused_port())
    if makes_database:
        file = Path("ignite-sync.db").absolute()

        async def make() -> None:
            async with open_database(file):
                pass

        trio.run(make)
    result = call("verify", "live/none", "--config", "s.toml")
    assert (result.exit_code, result.stdout) == (1, "")
    line = "ignite-sync: no active connection live/none; the settings have: none"
    assert result.stderr.splitlines()[1:] == [line]
