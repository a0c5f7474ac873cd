"""`sync` and `status`: their requests, their output, their exit codes. `tests/e2e` has them without a daemon."""

import io
import json
import socket
import threading
from typing import Any

import pytest
from click.testing import Result

from daemon.cli.client import DaemonClient
from daemon.cli.progress import Progress
from daemon.cli.sync import follow
from daemon.config import ListenerSettings
from daemon.model import Secret
from tests.cli.admin import admin, assert_one_line, call, write_config


def status(**full_sync: Any) -> dict[str, Any]:
    run = {"id": 7, "mode": "normal", "state": "reading", "seen": 20, "done": 10, "failed": 1, "total_hint": 295}
    run |= {"started_at": 1.0, "finished_at": None, "succeeded": None, "held_removals": 0} | full_sync
    outbox = {"live": 1, "backfill": 20, "parked": 0, "oldest_seconds": 3.2, "oldest_live_seconds": 0.4}
    products = {"outbox": outbox, "full_sync": run | {"held_up": 0, "held_up_by": []}, "issues": 4, "ledger": 280}
    products |= {"blocked": None, "held_removals": 0, "gap": None}
    connection: dict[str, Any] = {
        "site": "live/x",
        "state": "active",
        "blocked": None,
        "blocked_since": None,
        "paused_since": None,
        "webhooks": None,
        "throttles": [],
    }
    return {"connections": [connection | {"kinds": {"products": products}}]}


CLOSED = {"state": "closed", "done": 294, "finished_at": 2.0}


def sync(*options: str, kind: str = "products") -> Result:
    return call("sync", "live/x", kind, *options, "--config", "s.toml")


def test_sync_asks_the_running_daemon() -> None:
    with admin((201, {"run": 7})) as server:
        result = sync("--refresh")
    assert (result.exit_code, result.stdout) == (0, "full sync 7 of products at live/x started\n")
    order = {"site": "live/x", "kind": "products", "refresh": True, "allow_removals": False}
    assert server.asked == [("POST", "/admin/sync", "Bearer t0p", order)]


UNDER_WAY = (409, {"title": "Conflict", "detail": "a full sync of products is already running"})


def test_all_kinds_are_started_but_for_what_is_on_its_way_already() -> None:
    with admin((201, {"run": 8}), UNDER_WAY, (200, status()), (201, {"run": 9}), (201, {"run": 10})) as server:
        result = sync(kind="all")
    assert (result.exit_code, result.stderr) == (1, ""), "not all that was asked for was started"
    assert result.stdout.splitlines() == [
        "full sync 8 of store at live/x started",
        "full sync 7 of products at live/x is already running",
        "full sync 9 of customers at live/x started",
        "full sync 10 of orders at live/x started",
    ]
    assert [asked[3]["kind"] for asked in server.asked if asked[3]] == ["store", "products", "customers", "orders"]


@pytest.mark.parametrize(
    ("options", "succeeded", "code"),
    [([], True, 0), ([], False, 1), (["--refresh"], True, 1), (["--allow-removals"], True, 1)],
    ids=["succeeds", "fails", "without the refresh", "without the removals"],
)
def test_what_is_on_its_way_already_is_watched_too(options: list[str], *, succeeded: bool, code: int) -> None:
    with admin(UNDER_WAY, (200, status()), (200, status(**CLOSED, succeeded=succeeded))):
        result = sync("--watch", *options)
    assert result.exit_code == code
    assert result.stdout.splitlines() == [
        "full sync 7 of products at live/x is already running",
        f"full sync 7 {'succeeded' if succeeded else 'did not succeed'}: 294 done, 1 failed",
    ]


def test_what_was_started_is_told_though_the_rest_cannot_be() -> None:
    with admin((201, {"run": 8}), (503, {"title": "Busy"})):
        result = sync(kind="all")
    assert (result.exit_code, result.stdout) == (1, "full sync 8 of store at live/x started\n")
    assert result.stderr == "ignite-sync: the daemon refused this (503): Busy\n"


@pytest.mark.parametrize(("word", "code"), [("succeeded", 0), ("did not succeed", 1)])
def test_watching_ends_with_the_outcome_of_the_run(word: str, code: int) -> None:
    with admin((201, {"run": 7}), (200, status(**CLOSED, succeeded=code == 0))):
        result = sync("--watch")
    assert result.exit_code == code
    assert result.stdout.splitlines()[-1] == f"full sync 7 {word}: 294 done, 1 failed"
    assert result.stderr == "live/x products: 295 of 295, closed\n"


def test_removals_held_back_are_told_with_what_to_do() -> None:
    with admin((201, {"run": 7}), (200, status(**CLOSED, succeeded=False, held_removals=60))):
        result = sync("--watch")
    held = "60 removals held (see: ignite-sync removals list)"
    assert result.stdout.splitlines()[-1] == f"full sync 7 did not succeed: 294 done, 1 failed, {held}"


def test_watching_shows_the_run_until_it_is_over() -> None:
    before = status(id=6, **CLOSED, succeeded=True)
    stream, pauses = io.StringIO(), []
    script = [(200, before), (200, status()), (200, status(**CLOSED, succeeded=True))]
    with admin(*script) as server, Progress("p", stream) as shown:
        daemon = DaemonClient(ListenerSettings(port=server.port, admin_token=Secret("t0p")))
        ended = follow(daemon, "live/x", "products", run_id=7, shown=shown, pause=lambda: pauses.append("a second"))
    assert ended["succeeded"]
    assert stream.getvalue().splitlines() == ["p: 11 of 295, reading", "p: 295 of 295, closed"]
    assert len(pauses) == 2


def test_watching_ends_when_another_run_took_over() -> None:
    with admin((201, {"run": 7}), (200, status(id=8))):
        result = sync("--watch")
    assert result.exit_code == 1
    assert result.stderr == "ignite-sync: full sync 7 was followed by 8; look at: ignite-sync status\n"


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (
            (400, {"title": "Bad request", "detail": "a full sync\nruns"}),
            "the daemon refused this (400): a full sync runs",
        ),
        ((503, {"title": "Busy"}), "the daemon refused this (503): Busy"),
        ((500, []), "the daemon refused this (500): no reason given"),
        ((401, {}), "the running daemon has a different listener.admin_token; use its settings here"),
        ((200, b"<html>"), "the program at 127.0.0.1:{port} is not this version of Ignite Sync; check listener.port"),
        ((200, {}), "the program at 127.0.0.1:{port} is not this version of Ignite Sync; check listener.port"),
    ],
)
def test_a_refused_sync_is_one_line_and_exit_1(answer: tuple[int, Any], line: str) -> None:
    with admin(answer) as server:
        result = sync()
    assert_one_line(result, 1, line.format(port=server.port))


def test_a_daemon_that_hangs_up_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        write_config(port)

        def hang_up() -> None:
            listener.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        result = sync()
        thread.join()
    assert result.exit_code == 1
    assert result.stderr.startswith(f"ignite-sync: no daemon answers at 127.0.0.1:{port} (")


def test_sync_needs_the_admin_token() -> None:
    write_config(1234, "")
    line = "listener.admin_token is not set; set it, the same for the daemon and this command"
    assert_one_line(sync(), 2, line)


def test_status_describes_each_connection() -> None:
    with admin((200, status())) as server:
        result = call("status", "--config", "s.toml")
    assert server.asked == [("GET", "/admin/status", "Bearer t0p", None)]
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "1 connection; all is well",
        "live/x: active",
        "  products: 280 in SparkLayer, 4 with issues, waiting: 1 live, 20 backfill, 0 parked (oldest 3 s)",
        "    full sync 7 is reading: 10 done, 1 failed of about 295",
    ]


def test_status_names_what_blocks() -> None:
    answer = status(**CLOSED, succeeded=False)
    answer["connections"][0]["blocked"] = "credentials refused"
    with admin((200, answer)):
        result = call("status", "--config", "s.toml")
    lines = result.stdout.splitlines()
    assert result.exit_code == 1
    assert lines[0] == "1 connection; look at live/x: blocked, the last full sync of products did not succeed"
    assert lines[1] == "live/x: active, blocked: credentials refused"
    assert lines[-1] == "    full sync 7 did not succeed: 294 done, 1 failed"


PARKED = {"live": 0, "backfill": 0, "parked": 3, "oldest_seconds": 1.0, "oldest_live_seconds": 1.0}
LATE = {"live": 1, "backfill": 0, "parked": 0, "oldest_seconds": 90_000.0, "oldest_live_seconds": 90_000.0}
WAITING = {"api": "bigcommerce", "waiting": 0, "in_flight": 0, "breaker": "closed", "held_back": 1, "held_seconds": 0.0}
MISSING = {"registered": 1, "missing": [{"scope": "store/order/*", "why": "no"}], "trouble": None}
MISSING |= {"looked_at": 1.0, "well_at": None, "mended": None}
UNCHECKED = MISSING | {"registered": 41, "missing": [], "trouble": "GET hooks: 403"}


@pytest.mark.parametrize(
    ("of_connection", "of_kind", "words"),
    [
        ({}, {"blocked": "platform: scope_missing"}, "products blocked"),
        ({}, {"held_removals": 9}, "9 removals of products held"),
        ({}, {"outbox": PARKED}, "3 products parked"),
        ({}, {"outbox": LATE}, "changes of products are late"),
        ({"state": "not configured"}, {"outbox": LATE}, "not configured"),
        ({"webhooks": MISSING}, {}, "webhooks not registered"),
        ({"webhooks": UNCHECKED | {"unchecked_seconds": 7201.0}}, {}, "webhooks cannot be checked"),
        ({"throttles": [WAITING | {"held_seconds": 842.0}]}, {}, "bigcommerce asked for a long wait"),
        ({"throttles": [WAITING | {"pause": 842.0}]}, {}, "bigcommerce asked for a long wait"),
        ({}, {"refused": {"reason": "foreign_answer", "seconds": 75.0}}, "the full sync of products cannot go on"),
    ],
)
@pytest.mark.holds("E01", "C9")
def test_status_leads_with_what_a_person_must_look_at(
    of_connection: dict[str, Any], of_kind: dict[str, Any], words: str
) -> None:
    answer = status()
    answer["connections"][0] |= of_connection
    answer["connections"][0]["kinds"]["products"] |= of_kind
    with admin((200, answer)):
        result = call("status", "--config", "s.toml")
    assert (result.exit_code, result.stdout.splitlines()[0]) == (1, f"1 connection; look at live/x: {words}")


def test_a_watched_run_that_is_blocked_ends_the_command() -> None:
    blocked = status()
    blocked["connections"][0]["blocked"] = "platform: credentials"
    with admin((201, {"run": 7}), (200, blocked), (200, status()), (200, blocked), (200, blocked)):
        result = sync("--watch")
    assert result.exit_code == 1
    line = "full sync 7 of products at live/x is blocked (platform: credentials); it continues once that is fixed"
    assert line in result.stderr


@pytest.mark.parametrize(
    ("connection", "why"),
    [
        ({"state": "leaving"}, "has stopped, because live/x is leaving"),
        ({"state": "gone", "kinds": {}}, "has stopped, because live/x is gone"),
        ({"state": "not configured"}, "has stopped, because live/x is not configured"),
        ({"site": "live/other"}, "has stopped, because live/x is not connected"),
        ({"kinds": {}}, "is gone, because the connection was removed meanwhile"),
    ],
)
def test_watching_ends_when_the_connection_leaves(connection: dict[str, Any], why: str) -> None:
    left = status()
    left["connections"][0] |= connection
    with admin((201, {"run": 7}), (200, status()), (200, left)):
        result = sync("--watch")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == f"ignite-sync: full sync 7 of products at live/x {why}"


def test_watching_a_site_whose_store_is_replaced_follows_the_new_connection() -> None:
    both = status(**CLOSED, succeeded=True)
    both["connections"] += [status(id=3)["connections"][0] | {"state": "leaving"}]
    with admin((201, {"run": 7}), (200, both)):
        assert sync("--watch").exit_code == 0


def test_status_as_json_is_what_the_daemon_said() -> None:
    with admin((200, status() | {"news": 1})):
        result = call("status", "--json", "--config", "s.toml")
    assert json.loads(result.stdout) == status() | {"news": 1}


def test_a_status_of_another_shape_is_one_line() -> None:
    with admin((200, {"connections": [{}]})):
        result = call("status", "--config", "s.toml")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("ignite-sync: the daemon's answer has a format unknown to this version: ")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.holds("C9")
def test_a_full_sync_is_cancelled() -> None:
    with admin((200, {"run": 7})) as server:
        result = sync("--cancel")
    assert (result.exit_code, result.stdout) == (0, "full sync 7 of products at live/x was cancelled\n")
    order = {"site": "live/x", "kind": "products"}
    assert server.asked == [("POST", "/admin/sync/cancel", "Bearer t0p", order)]


def test_cancelling_what_does_not_run_says_so() -> None:
    with admin((409, {"title": "Conflict", "detail": "no full sync of products is running"})):
        result = sync("--cancel")
    assert (result.exit_code, result.stdout) == (1, "no full sync of products at live/x is running\n")


@pytest.mark.parametrize("other", ["--refresh", "--allow-removals", "--watch"])
def test_cancelling_goes_with_nothing_else(other: str) -> None:
    write_config(1234)
    result = sync("--cancel", other)
    assert result.exit_code == 2
    assert "--cancel cannot be combined with" in result.stderr
