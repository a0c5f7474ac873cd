"""The other commands that ask a running daemon: their requests and their output."""

import json
from typing import Any

import pytest

from tests.cli.admin import admin, call

ISSUE = {
    "site": "live/x",
    "kind": "products",
    "id": "7",
    "name": "Mug",
    "url": "https://shop.test/7",
    "since": 0.0,
    "problems": [{"code": "variant_without_sku", "message": "It has no SKU. Give it one."}],
}
PARKED = {"site": "live/x", "kind": "orders", "id": "101", "attempts": 400, "since": 0.0, "error": "HTTP status 500"}


def test_issues_are_listed_with_their_texts_and_links() -> None:
    with admin((200, {"issues": [ISSUE]})) as server:
        result = call("issues", "live/x", "--config", "s.toml")
    assert server.asked[0][:2] == ("GET", "/admin/issues?site=live/x")
    assert result.stdout.splitlines() == [
        "live/x products 7, Mug: since 1970-01-01 00:00 UTC",
        "  It has no SKU. Give it one.",
        "  https://shop.test/7",
    ]
    with admin((200, {"issues": []})) as server:
        assert call("issues", "--config", "s.toml").stdout == "no issues\n"
    assert server.asked[0][1] == "/admin/issues"


AUDIT = {
    "id": 7,
    "at": 0.0,
    "operator": "anna",
    "action": "parked",
    "site": "live/x",
    "kind": None,
    "outcome": "refused",
    "parameters": {"action": "drop"},
    "answer": None,
    "error": "no connection live/x",
    "request_id": None,
}


def test_a_link_for_a_merchant_is_printed() -> None:
    link = {"path": "/shared/issues/x.y", "url": "https://sync.test/shared/issues/x.y", "until": 0.0}
    with admin((200, link), (200, link | {"url": None})) as server:
        public = call("issues", "live/x", "--link", "--days", "3", "--config", "s.toml")
        local = call("issues", "live/x", "--link", "--config", "s.toml")
        usage = [
            call("issues", *words, "--config", "s.toml")
            for words in (("--link",), ("live/x", "--days", "3"), ("live/x", "--link", "--days", "91"))
        ]
    assert public.stdout == "https://sync.test/shared/issues/x.y\n"
    assert local.stdout == f"http://127.0.0.1:{server.port}/shared/issues/x.y\n"
    assert [(path, body) for _, path, _, body in server.asked] == [
        ("/admin/issues/link", {"site": "live/x", "days": 3}),
        ("/admin/issues/link", {"site": "live/x"}),
    ]
    assert [answer.exit_code for answer in usage] == [2, 2, 2]


def test_a_text_of_a_merchant_cannot_command_the_terminal() -> None:
    title = "\x1b]0;owned\x07Tea\nlive/x: \x9b31m\u202e 5\N{NO-BREAK SPACE}\N{EURO SIGN}"
    answer = {"parked": [PARKED | {"error": title}]}
    with admin((200, answer), (200, answer), (404, {"detail": title})):
        listed, as_json, refused = (
            call("parked", "list", *more, "--config", "s.toml") for more in ((), ("--json",), ())
        )
    shown = "\ufffd]0;owned\ufffdTea\ufffdlive/x: \ufffd31m\ufffd 5\N{NO-BREAK SPACE}\N{EURO SIGN}"
    assert listed.stdout == f"live/x orders 101: tried 400 times since 1970-01-01 00:00 UTC: {shown}\n"
    assert json.loads(as_json.stdout) == answer
    assert all(line.isprintable() for line in [*as_json.stdout.splitlines(), *refused.stderr.splitlines()])


def test_what_operators_did_is_listed() -> None:
    done = AUDIT | {"action": "backup", "site": None, "outcome": "done", "parameters": {}, "error": None}
    sync = done | {"action": "sync", "site": "live/x", "kind": "orders", "answer": {"run": 5}}
    answers = ((200, {"audit": [AUDIT, sync, done], "more": True}), (200, {"audit": [], "more": False}))
    with admin(*answers) as server:
        result = call("audit", "live/x", "--operator", "anna", "--before", "9", "--config", "s.toml")
        assert call("audit", "--config", "s.toml").stdout == "no such actions in the last 90 days\n"
    paths = ["/admin/audit?site=live/x&operator=anna&before=9", "/admin/audit"]
    assert [path for _, path, *_ in server.asked] == paths
    assert result.stdout.splitlines() == [
        "1970-01-01 00:00 UTC anna: parked live/x action=drop: refused: no connection live/x",
        "1970-01-01 00:00 UTC anna: sync live/x orders: done: run=5",
        "1970-01-01 00:00 UTC anna: backup: done",
        "there are older ones: add --before 7",
    ]


def test_what_is_parked_is_listed_retried_and_dropped() -> None:
    with admin((200, {"parked": [PARKED]}), (200, {"changed": 3}), (200, {"changed": 1})) as server:
        listed = call("parked", "list", "--config", "s.toml")
        retried = call("parked", "retry", "live/x", "all", "--config", "s.toml")
        dropped = call("parked", "drop", "live/x", "orders", "101", "--config", "s.toml")
    assert listed.stdout == "live/x orders 101: tried 400 times since 1970-01-01 00:00 UTC: HTTP status 500\n"
    assert (retried.stdout, dropped.stdout) == ("3 parked changes to be retried\n", "1 parked change dropped\n")
    assert [body for _, _, _, body in server.asked[1:]] == [
        {"action": "retry", "site": "live/x"},
        {"action": "drop", "site": "live/x", "ids": ["101"], "kind": "orders"},
    ]


def test_a_connection_is_paused_and_resumed() -> None:
    with admin(*((200, {"changed": changed}) for changed in (True, False, True, False))) as server:
        answers = [call(name, "live/x", "--config", "s.toml") for name in ("pause", "pause", "resume", "resume")]
    assert [answer.stdout for answer in answers] == [
        "live/x is paused\n",
        "live/x was already paused\n",
        "live/x was resumed\n",
        "live/x was not paused\n",
    ]
    asked = [(path, body) for _, path, _, body in server.asked]
    assert asked[::2] == [("/admin/pause", {"site": "live/x"}), ("/admin/resume", {"site": "live/x"})]


HELD = {"site": "live/x", "kind": "customers", "id": "7", "variant": None, "name": "Ann Ltd", "cause": "excluded"}
LOST = {"site": "live/x", "kind": "products", "id": "9", "variant": "91", "name": "Mug, M-1", "cause": "variant"}


def test_held_removals_are_listed_by_name_and_allowed() -> None:
    found = [removal | {"since": 0.0} for removal in (HELD, LOST, HELD | {"id": "8", "name": "", "cause": "deleted"})]
    with admin((200, {"removals": found}), (200, {"removals": []}), (200, {"allowed": 2})) as server:
        listed = call("removals", "list", "live/x", "--config", "s.toml")
        none = call("removals", "list", "live/x", "orders", "--config", "s.toml")
        allowed = call("removals", "allow", "live/x", "customers", "7", "8", "--config", "s.toml")
    since = "since 1970-01-01 00:00 UTC"
    assert listed.stdout.splitlines() == [
        f"live/x customers 7, Ann Ltd: {since}: in the store, but not for SparkLayer (a customer: in no B2B group)",
        f"live/x products 9 variant 91, Mug, M-1: {since}: no longer a variant of the product",
        f"live/x customers 8: {since}: no longer in the store",
        "If the store is right: ignite-sync removals allow live/x customers ID...",
        "All of them: ignite-sync sync live/x customers --allow-removals",
        "If the store is right: ignite-sync removals allow live/x products ID...",
        "All of them: ignite-sync sync live/x products --allow-removals",
    ]
    assert none.stdout == "no removals are held\n"
    assert allowed.stdout == "2 removals of customers allowed\n"
    assert [path for _, path, *_ in server.asked] == [
        "/admin/removals?site=live/x",
        "/admin/removals?site=live/x&kind=orders",
        "/admin/removals",
    ]
    assert server.asked[2][3] == {"site": "live/x", "kind": "customers", "ids": ["7", "8"]}


EXPLAINED: dict[str, Any] = {
    "site": "live/x",
    "kind": "products",
    "id": "7",
    "text": "7",
    "matches": [{"id": "7", "by": "id", "name": ""}],
    "trouble": None,
    "why": [{"code": "unsent", "text": "It differs."}],
    "belongs_to": None,
    "store": {"name": "Mug", "url": "", "value": {"title": "Mug"}, "problems": [{"code": "a", "message": "Mend it."}]},
    "ledger": {"product": "told"},
    "sure": False,
    "would_send": [{"what": "PATCH the product", "why": "it differs"}],
    "settlements": [
        {"kind": "products", "id": "7", "at": 0.0, "result": "rejected", "reason": "no_sku", "run": 4},
        {"kind": "products", "id": "7", "at": 0.0, "result": "written", "reason": None, "run": None},
    ],
}


def test_an_explanation_says_what_each_side_says_and_what_would_be_sent() -> None:
    with admin((200, EXPLAINED)) as server:
        result = call("explain", "live/x", "products", "7", "--config", "s.toml")
    assert server.asked[0][3] == {"site": "live/x", "kind": "products", "text": "7"}
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[:3] == ["live/x products 7, Mug", "  It differs.", "The store says:"]
    assert "  something, but not all of it is sure" in lines
    assert lines[-5:] == [
        "Would be sent now:",
        "  PATCH the product: it differs",
        "In the last 7 days:",
        "  1970-01-01 00:00 UTC: rejected (no_sku), full sync 4",
        "  1970-01-01 00:00 UTC: written",
    ]


@pytest.mark.parametrize(
    ("change", "code", "line"),
    [
        ({"trouble": "HTTP status 503", "why": [{"code": "unreadable", "text": "No."}]}, 1, "  No."),
        ({"belongs_to": "7", "why": [{"code": "belongs_to", "text": "Of 7."}]}, 0, "  Of 7."),
        ({"store": None, "ledger": None, "would_send": []}, 0, "  it is not there, or must not be in SparkLayer"),
    ],
)
def test_an_explanation_of_what_is_not_there(change: dict[str, Any], code: int, line: str) -> None:
    with admin((200, EXPLAINED | change)) as server:
        result = call("explain", "live/x", "products", "7", "--id", "--config", "s.toml")
    assert server.asked[0][3] == {"site": "live/x", "kind": "products", "id": "7"}
    assert result.exit_code == code
    assert line in result.stdout.splitlines()


@pytest.mark.holds("O5")
def test_several_of_one_name_are_listed_with_their_ids() -> None:
    both = [{"id": "7", "by": "SKU", "name": "Mug"}, {"id": "9", "by": "name", "name": ""}]
    answer = {"site": "live/x", "kind": "products", "text": "M", "trouble": None, "matches": both}
    with admin((200, answer), (200, answer)):
        result = call("explain", "live/x", "products", "M", "--config", "s.toml")
        as_json = call("explain", "live/x", "products", "M", "--json", "--config", "s.toml")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "2 products match; name one by its id, with --id:",
        "  7  Mug (SKU)",
        "  9  ? (name)",
    ]
    assert json.loads(as_json.stdout) == answer


def test_every_kind_is_synced_in_the_order_that_references_need() -> None:
    with admin(*((201, {"run": number}) for number in range(1, 5))) as server:
        result = call("sync", "live/x", "all", "--config", "s.toml")
    assert [body["kind"] for _, _, _, body in server.asked] == ["store", "products", "customers", "orders"]
    assert result.stdout.splitlines()[-1] == "full sync 4 of orders at live/x started"


def test_a_site_is_connected_with_a_secret_that_no_command_line_shows() -> None:
    pending = {"state": "pending", "redirect_url": "https://store.test/install"}
    with admin((200, {"state": "active"}), (200, pending)) as server:
        arguments = ["connect", "live/x", "--client-id", "c", "--config", "s.toml"]
        result = call(*arguments, given="s3cret\n")
        later = call(*arguments, "--store-id", "abc", given="s3cret\n")
    assert (result.exit_code, result.stdout) == (0, "live/x is connected\n")
    assert later.stdout == "live/x is connected once the merchant lets Ignite Sync in at https://store.test/install\n"
    assert server.asked[0][3] == {"site": "live/x", "client_id": "c", "client_secret": "s3cret"}
    assert server.asked[1][3]["store_id"] == "abc"
    assert "s3cret" not in result.output


def test_at_a_terminal_the_credentials_are_asked_for_and_the_secret_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, bool] = {}

    def answer_to(name: str, *, hidden: bool = False) -> str:
        asked[name] = hidden
        return "typed"

    monkeypatch.setattr("daemon.cli.connect.answer_to", answer_to)
    with admin((200, {"state": "active"})) as server:
        assert call("connect", "live/x", "--config", "s.toml").exit_code == 0
    assert asked == {"SparkLayer's client id": False, "SparkLayer's client secret": True}
    assert server.asked[0][3] == {"site": "live/x", "client_id": "typed", "client_secret": "typed"}


def test_without_a_terminal_both_credentials_are_lines_of_the_input() -> None:
    arguments = ["connect", "live/x", "--config", "s.toml"]
    with admin((200, {"state": "active"})) as server:
        assert call(*arguments, given="c\ns3cret\n").exit_code == 0
        for given, option in (("", "--client-id"), ("c\n", "--client-secret-file")):
            result = call(*arguments, given=given)
            assert (result.exit_code, f"{option}: is needed, since there was no answer" in result.stderr) == (2, True)
    assert [body for _, _, _, body in server.asked] == [{"site": "live/x", "client_id": "c", "client_secret": "s3cret"}]


def test_a_site_is_disconnected_only_when_that_is_meant() -> None:
    with admin((200, {"state": "leaving"})) as server:
        refused = call("disconnect", "live/x", "--config", "s.toml", given="n\n")
        assert (refused.exit_code, server.asked) == (1, [])
        result = call("disconnect", "live/x", "--yes", "--config", "s.toml")
    assert result.stdout == "live/x is leaving\n"
