"""Every action of an operator is in the audit log: who, what, where, when, with which result. A reader may not act."""

from typing import Any

import pytest
import structlog
from trio.testing import MockClock

from daemon.errors import CallerError, Conflict, Invalid, NotAllowed, NotFound, StorageTrouble
from daemon.model.operators import Operator, Role
from daemon.observability import request_ids
from daemon.storage import audit
from tests.connections.harness import LifecycleHarness, link, open_harness

ANNA, BEN = Operator("anna", Role.ACT), Operator("ben", Role.READ)
PRODUCTS = {"site": "test/a", "kind": "products"}
SECRETS = {"client_id": "id-hidden", "client_secret": "s-hidden"}

ACTIONS: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/admin/sync"): PRODUCTS,
    ("POST", "/admin/sync/cancel"): PRODUCTS,
    ("POST", "/admin/parked"): {"site": "test/a", "action": "retry"},
    ("POST", "/admin/pause"): {"site": "test/a"},
    ("POST", "/admin/resume"): {"site": "test/a"},
    ("POST", "/admin/issues/link"): {"site": "test/a"},
    ("POST", "/admin/removals"): {**PRODUCTS, "ids": ["1"]},
    ("POST", "/admin/backup"): {},
    ("POST", "/admin/connect"): {"site": "test/b", **SECRETS},
    ("POST", "/admin/disconnect"): {"site": "test/a"},
}


READING_ONE_SITE = {
    ("POST", "/admin/explain"),
    ("GET", "/admin/history"),
    ("GET", "/admin/verify"),
    ("POST", "/admin/verify"),
    ("POST", "/admin/verify/cancel"),
}
"""Operations that change nothing, and must be told of which connection."""


async def rows(harness: LifecycleHarness, **params: str) -> list[dict[str, Any]]:
    answer = await harness.admin.operations["GET", "/admin/audit"](dict(params), BEN)
    return list(answer["audit"])


async def test_every_operation_reads_or_is_an_action_that_a_reader_may_not_do(autojump_clock: MockClock) -> None:
    async with open_harness(link("a", "store-1")) as harness:
        operations = harness.admin.operations
        reading = {place for place in operations if place[0] == "GET"}
        assert operations.keys() == reading | READING_ONE_SITE | ACTIONS.keys()
        for place, params in ACTIONS.items():
            with pytest.raises(NotAllowed, match="the token ben may read but not act"):
                await operations[place](dict(params), BEN)
        for place in reading - READING_ONE_SITE:
            await operations[place]({}, BEN)
        stored = await rows(harness)
    assert [(row["operator"], row["outcome"]) for row in stored] == [("ben", "refused")] * len(ACTIONS)


async def test_an_action_is_kept_with_its_result_and_without_secrets(autojump_clock: MockClock) -> None:
    async with open_harness(link("a", "store-1")) as harness:
        operations = harness.admin.operations
        request_ids.begin(b"of-a-proxy")
        with structlog.testing.capture_logs() as lines:
            await operations["POST", "/admin/sync"]({**PRODUCTS, "refresh": True}, ANNA)
            with pytest.raises(Conflict):
                await operations["POST", "/admin/sync"](dict(PRODUCTS), ANNA)
            with pytest.raises(NotFound):
                await operations["POST", "/admin/parked"]({"site": "test/x", "action": "drop", "ids": ["7"]}, ANNA)
            with pytest.raises(CallerError):
                await operations["POST", "/admin/connect"]({"site": "test/b\n", "kind": 5, **SECRETS}, ANNA)
        connect, parked, again, sync = await rows(harness)
        assert sync == {
            "id": 1,
            "at": 0.0,
            "operator": "anna",
            "action": "sync",
            "site": "test/a",
            "kind": "products",
            "outcome": "done",
            "parameters": {"refresh": True},
            "answer": {"run": 1},
            "error": None,
            "request_id": "of-a-proxy",
        }
        assert again["outcome"] == "refused"
        assert again["error"].startswith("a full sync of products is already running")
        assert (parked["action"], parked["parameters"]) == ("parked", {"action": "drop", "ids": ["7"]})
        assert (connect["site"], connect["kind"], connect["outcome"]) == ("test/b", "5", "refused")
        assert await rows(harness, site="test/a") == [again, sync]
        assert await rows(harness, operator="anna", before=str(parked["id"])) == [again, sync]
        assert await rows(harness, operator="ben") == []
        for wrong in ("", "x", "-1", "1.0", "\u0661", "9" * 30):
            with pytest.raises(Invalid, match=r"^before: must be the id of an action"):
                await rows(harness, before=wrong)
        assert [
            (line["event"], line["operator"], line["action"], line["outcome"])
            for line in lines
            if line["event"] == "operator acted"
        ] == [
            ("operator acted", "anna", "sync", "done"),
            ("operator acted", "anna", "sync", "refused"),
            ("operator acted", "anna", "parked", "refused"),
            ("operator acted", "anna", "connect", "refused"),
        ]
        assert "hidden" not in str(lines) + str(await rows(harness))


async def test_an_action_that_cannot_be_kept_is_not_done(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> list[int]:
        raise StorageTrouble("disk full", reason="disk_full")

    async with open_harness(link("a", "store-1")) as harness:
        operations = harness.admin.operations
        monkeypatch.setattr(audit, "begin", full)
        with pytest.raises(StorageTrouble):
            await operations["POST", "/admin/sync"](dict(PRODUCTS), ANNA)
        monkeypatch.undo()
        monkeypatch.setattr(audit, "end", full)
        assert await operations["POST", "/admin/sync"](dict(PRODUCTS), ANNA) == {"run": 1}
        [row] = await rows(harness)
    assert (row["outcome"], row["answer"]) == ("begun", None)


async def test_a_crash_of_an_action_is_named_by_its_type(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("jane@example.com")

    async with open_harness(link("a", "store-1")) as harness:
        monkeypatch.setattr(type(harness.intake), "start", broken)
        with pytest.raises(ZeroDivisionError):
            await harness.admin.operations["POST", "/admin/sync"](dict(PRODUCTS), ANNA)
        [row] = await rows(harness)
    assert (row["outcome"], row["error"]) == ("failed", "ZeroDivisionError")
