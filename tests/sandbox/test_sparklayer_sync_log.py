"""The sync-log stand-in: PUT begins anew, PATCH keeps, adds and resolves, and what is unfit changes nothing."""

from typing import Any

import pytest

from daemon.sandbox import SparkLayerOptions

LOG = "/api/v1/sync-log/bigcommerce/products"


async def test_the_sync_log_needs_a_full_sync_first(harness: Any) -> None:
    async with harness() as running:
        for method, path, body in (("GET", LOG, None), ("GET", f"{LOG}/errors", None), ("PATCH", LOG, {})):
            assert (await running.site(method, path, body)).status_code == 404


async def test_put_clears_and_patch_keeps(harness: Any) -> None:
    when, later = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
    async with harness() as running:
        errors = [{"external_id": "1", "title": "old"}, {"external_id": "2"}]
        full = {"started_full_sync": when, "last_full_sync": when, "last_full_sync_succeeded": True, "errors": errors}
        assert (await running.site("PUT", LOG, full)).status_code == 200
        partial = {"errors": [{"external_id": "1", "title": "new"}], "synced_external_ids": ["2", "3"]}
        assert (await running.site("PATCH", LOG, partial)).status_code == 200
        patched = (await running.site("GET", f"{LOG}/errors")).json()
        await running.site("PATCH", LOG, {"last_full_sync": later, "last_full_sync_succeeded": False})
        closed = (await running.site("GET", LOG)).json()
        await running.site("PUT", LOG, {"started_full_sync": later})
        anew = (await running.site("GET", LOG)).json()
        calls = running.sandbox.sparklayer.state.sync_log.calls
        assert (await running.site("DELETE", "/api/v1/sync-log")).status_code == 204
        assert (await running.site("GET", LOG)).status_code == 404
    assert patched["errors"] == [{"external_id": "1", "title": "new"}]
    assert (patched["last_full_sync"], patched["last_full_sync_succeeded"]) == (when, True)
    assert (closed["last_full_sync"], closed["last_full_sync_succeeded"]) == (later, False)
    assert anew == {"started_full_sync": later, "errors_count": 0}
    assert [(call.method, call.status) for call in calls] == [
        ("PUT", 200),
        ("PATCH", 200),
        ("PATCH", 200),
        ("PUT", 200),
    ]
    assert calls[1].body == partial


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("PUT", {"errors": [{"external_id": "1"}, {"external_id": "1"}]}),
        ("PUT", {"errors": [{"external_id": str(number)} for number in range(5001)]}),
        ("PUT", {"last_full_sync": "yesterday"}),
        ("PUT", {"last_full_sync": "2026-01-01T00:00:00"}),
        ("PUT", {"last_full_sync": None}),
        ("PUT", {"errors": [{"title": "no id"}]}),
        ("PUT", {"synced_external_ids": []}),
        ("PATCH", {"errors": [{"external_id": "1"}], "synced_external_ids": ["1"]}),
        ("PATCH", {"errors": [{"external_id": str(number)} for number in range(5000)]}),
        ("PATCH", {"started_full_sync": "2026-01-01T00:00:00Z"}),
        ("PATCH", {"resolved": ["1"]}),
    ],
)
async def test_an_unfit_sync_log_call_is_refused_and_changes_nothing(harness: Any, method: str, body: Any) -> None:
    async with harness() as running:
        await running.site("PUT", LOG, {"errors": [{"external_id": "standing"}]})
        assert (await running.site(method, LOG, body)).status_code == 400
        errors = (await running.site("GET", f"{LOG}/errors")).json()["errors"]
        assert running.sandbox.sparklayer.state.sync_log.calls[-1].status == 400
    assert errors == [{"external_id": "standing"}]


async def test_the_name_of_the_resolved_ids_is_a_switch(harness: Any) -> None:
    async with harness(sparklayer=SparkLayerOptions(resolved_field="resolved")) as running:
        await running.site("PUT", LOG, {"errors": [{"external_id": "1"}]})
        assert (await running.site("PATCH", LOG, {"synced_external_ids": ["1"]})).status_code == 400
        assert (await running.site("PATCH", LOG, {"resolved": ["1"]})).status_code == 200
        assert (await running.site("GET", LOG)).json()["errors_count"] == 0


@pytest.mark.parametrize(("known", "status"), [(None, 200), (("products", "customers"), 400)])
async def test_which_data_types_have_a_log_is_a_switch(harness: Any, known: Any, status: int) -> None:
    async with harness(sparklayer=SparkLayerOptions(data_types=known)) as running:
        assert (await running.site("PUT", LOG, {})).status_code == 200
        assert (await running.site("PUT", "/api/v1/sync-log/bigcommerce/purchases", {})).status_code == status


async def test_a_wipe_forgets_every_log_and_is_counted(harness: Any) -> None:
    async with harness() as running:
        for path in (LOG, "/api/v1/sync-log/bigcommerce/customers", "/api/v1/sync-log/erp/products"):
            await running.site("PUT", path, {"errors": [{"external_id": "1"}]})
        log = running.sandbox.sparklayer.state.sync_log
        assert len(log.logs) == 3
        assert (await running.site("DELETE", "/api/v1/sync-log")).status_code == 204
        assert (log.logs, log.wipes, len(log.calls)) == ({}, 1, 3)
        assert (await running.site("PATCH", LOG, {})).status_code == 404
