"""The audit log tells how an action ended as its caller was told."""

from pathlib import Path
from typing import Any

import pytest
import structlog
from attrs import evolve
from trio.testing import MockClock

from daemon.config.settings import DatabaseSettings
from daemon.errors import Invalid
from daemon.listener.http.messages import Response
from daemon.model.operators import Operator, Role
from tests.connections.harness import LifecycleHarness, link, open_harness

ANNA = Operator("anna", Role.ACT)


async def perform(harness: LifecycleHarness, path: str, **params: Any) -> Any:
    return await harness.admin.operations["POST", path](params, ANNA)


async def latest(harness: LifecycleHarness) -> dict[str, Any]:
    return dict((await harness.admin.audit.listed({}))["audit"][0])


async def test_a_backup_that_cannot_be_made_has_failed(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with open_harness(link("a", "store-1")) as harness:
        registry = harness.lifecycle.registry
        database = DatabaseSettings(url=f"sqlite:///{tmp_path}/missing/x.db")
        registry.settings = evolve(registry.settings, database=database)
        answer = await perform(harness, "/admin/backup")
        row = await latest(harness)
    reason = f"no copy can be written beside {tmp_path}/missing/x.db: No such file or directory"
    assert isinstance(answer, Response)
    assert (answer.status, reason in answer.body.decode()) == (503, True)
    assert (row["action"], row["outcome"], row["error"]) == ("backup", "failed", reason)


async def test_a_connect_that_lacks_credentials_is_refused_with_its_reason(autojump_clock: MockClock) -> None:
    async with open_harness(link("a", "store-1")) as harness:
        with pytest.raises(Invalid):
            await perform(harness, "/admin/connect", site="test/sandbox")
        row = await latest(harness)
    reason = "client_id: is missing; client_secret: is missing"
    assert (row["outcome"], row["error"]) == ("refused", reason)


async def test_the_log_line_tells_actions_apart_without_the_texts_of_callers(autojump_clock: MockClock) -> None:
    async with open_harness(link("a", "store-1")) as harness:
        with structlog.testing.capture_logs() as lines:
            await perform(harness, "/admin/sync", site="test/a", kind="products", refresh=True, allow_removals=False)
            await perform(harness, "/admin/parked", site="test/a", action="retry")
            await perform(harness, "/admin/parked", site="test/a", action="drop", ids=["jane@example.com", "2"])
            for wrong in ("jane@example.com", ["drop"]):
                with pytest.raises(Invalid):
                    await perform(harness, "/admin/parked", site="test/a", action=wrong)
    told = [line for line in lines if line["event"] == "operator acted"]
    common = ("event", "operator", "action", "log_level", "outcome")
    assert [{name: value for name, value in line.items() if name not in common} for line in told] == [
        {"site": "test/a", "kind": "products", "refresh": True, "run": 1},
        {"site": "test/a", "change": "retry", "changed": 0},
        {"site": "test/a", "change": "drop", "ids": 2, "changed": 0},
        {"site": "test/a"},
        {"site": "test/a"},
    ]
