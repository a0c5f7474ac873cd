"""/metrics has fixed names, bounded labels, and the numbers of the facts."""

import platform
import re

from prometheus_client.parser import text_string_to_metric_families

from daemon.errors import Side
from daemon.model import Kind, Lane, Site
from daemon.model.outcome import Result
from daemon.observability.metrics import Metrics, QueueDepth, ThrottleSnapshot
from daemon.observability.series import COUNTERS, GAUGES, HISTOGRAMS

SITE = Site("live", "jones")


def numbers(metrics: Metrics) -> dict[str, float]:
    """Return every sample as {"name{label=value,...}": number}."""
    found = {}
    for family in text_string_to_metric_families(metrics.render().decode()):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            found[f"{sample.name.removeprefix('ignite_sync_')}{{{labels}}}"] = sample.value
    return found


def tell_everything(metrics: Metrics, site: Site) -> None:
    metrics.webhook("recorded")
    metrics.webhook_stale()
    metrics.http_request("/healthz", 200)
    metrics.outbox(
        [QueueDepth(site=site, kind=Kind.PRODUCTS, lane=Lane.LIVE, state="pending", rows=3, oldest_seconds=7.5)]
    )
    metrics.entity(site, Kind.PRODUCTS, Result.WRITTEN)
    metrics.pushed(site, Kind.PRODUCTS, Lane.LIVE, 1.2)
    metrics.api_request(site, "sparklayer.stock", 204, 0.02)
    metrics.api_request(site, "sparklayer.pricing", None, 10.0)
    metrics.throttle(
        site,
        ThrottleSnapshot(
            api="sparklayer.stock",
            waiting={Lane.BACKFILL: 4},
            oldest_seconds={Lane.BACKFILL: 2.5},
            in_flight=2,
            breaker_open=True,
            turns=9,
            refused=1,
            waited_seconds=0.3,
        ),
    )
    metrics.full_sync_ended(site, Kind.CUSTOMERS, "succeeded")
    metrics.full_sync_progress(site, Kind.CUSTOMERS, {"seen": 10, "done": 4})
    metrics.actor_restarted(site, Kind.ORDERS)
    metrics.issues(site, Kind.PRODUCTS, 2)
    metrics.gap(site, Kind.PRODUCTS, is_open=True)
    metrics.webhook_scopes(site, registered=39, missing=2, age=7.0, unwell=8.0)
    metrics.census(site, Kind.PRODUCTS, 6.0)
    metrics.webhooks_mended(site, mended=5, switched_off=3)
    metrics.sync_log_call(site, "products", "PATCH", "ok")
    metrics.sync_log_waiting(site, "products", errors=9, synced=2)
    metrics.storage_commit("ok", 40, 0.004)
    metrics.storage_waiting(6)
    metrics.blocked(site, Kind.ORDERS, {Side.PLATFORM: True, Side.SPARKLAYER: False}, since=5.0)
    metrics.full_sync_succeeded(site, Kind.ORDERS, 6.0)
    metrics.paused(site, is_paused=True)
    metrics.build("1.2", "sqlite")
    metrics.notification("slack", "failed")
    metrics.notifications_late("slack", 12.0)
    metrics.connections({"active": 2, "blocked": 1})


def test_each_fact_arrives_as_its_number() -> None:
    metrics = Metrics()
    tell_everything(metrics, SITE)
    found = numbers(metrics)
    expected = {
        "webhooks_total{outcome=recorded,site=}": 1,
        "webhooks_stale_total{}": 1,
        "http_requests_total{route=/healthz,status=200}": 1,
        "outbox_depth{kind=products,lane=live,site=live/jones,state=pending}": 3,
        "outbox_oldest_seconds{kind=products,lane=live,site=live/jones,state=pending}": 7.5,
        "entities_total{kind=products,outcome=written,site=live/jones}": 1,
        "push_seconds_sum{kind=products,lane=live,site=live/jones}": 1.2,
        "api_requests_total{api=sparklayer.stock,site=live/jones,status_class=2xx}": 1,
        "api_requests_total{api=sparklayer.pricing,site=live/jones,status_class=error}": 1,
        "api_seconds_count{api=sparklayer.stock}": 1,
        "throttle_waiting{api=sparklayer.stock,lane=backfill,site=live/jones}": 4,
        "throttle_oldest_seconds{api=sparklayer.stock,lane=backfill,site=live/jones}": 2.5,
        "throttle_in_flight{api=sparklayer.stock,site=live/jones}": 2,
        "throttle_turns_total{api=sparklayer.stock,site=live/jones}": 9,
        "throttle_refused_total{api=sparklayer.stock,site=live/jones}": 1,
        "throttle_waited_seconds_total{api=sparklayer.stock,site=live/jones}": 0.3,
        "breaker_open{api=sparklayer.stock,site=live/jones}": 1,
        "full_syncs_total{kind=customers,outcome=succeeded,site=live/jones}": 1,
        "full_sync_progress_entities{kind=customers,site=live/jones,stage=done}": 4,
        "actor_restarts_total{kind=orders,site=live/jones}": 1,
        "issues_open{kind=products,site=live/jones}": 2,
        "gaps_open{kind=products,site=live/jones}": 1,
        "paused{site=live/jones}": 1,
        "webhook_scopes{site=live/jones,state=registered}": 39,
        "webhook_scopes{site=live/jones,state=missing}": 2,
        "webhooks_unchecked_seconds{site=live/jones}": 7,
        "census_seconds{kind=products,site=live/jones}": 6,
        "webhooks_unwell_seconds{site=live/jones}": 8,
        "webhooks_mended_total{site=live/jones}": 5,
        "webhooks_switched_off_total{site=live/jones}": 3,
        "sync_log_calls_total{data_type=products,method=PATCH,outcome=ok,site=live/jones}": 1,
        "sync_log_waiting{data_type=products,site=live/jones}": 11,
        "sync_log_untold{data_type=products,site=live/jones}": 9,
        "storage_commits_total{outcome=ok}": 1,
        "storage_rows_total{}": 40,
        "storage_commit_seconds_count{}": 1,
        "storage_waiting{}": 6,
        "notifications_total{outcome=failed,receiver=slack}": 1,
        "notifications_late_seconds{receiver=slack}": 12,
        "connections{state=blocked}": 1,
        "blocked{kind=orders,side=platform,site=live/jones}": 1,
        "blocked{kind=orders,side=sparklayer,site=live/jones}": 0,
        "blocked_since_timestamp_seconds{kind=orders,site=live/jones}": 5,
        "full_sync_succeeded_timestamp_seconds{kind=orders,site=live/jones}": 6,
        f"build_info{{database=sqlite,python={platform.python_version()},version=1.2}}": 1,
    }
    assert {key: found.get(key) for key in expected} == expected


def test_every_name_follows_the_rules_and_every_series_is_fed() -> None:
    metrics = Metrics()
    tell_everything(metrics, SITE)
    families = {family.name for family in text_string_to_metric_families(metrics.render().decode())}
    assert {"process_resident_memory_bytes", "process_cpu_seconds", "process_start_time_seconds"} <= families
    families = {name for name in families if not name.startswith("process_")}
    named = {f"ignite_sync_{name}".removesuffix("_total") for name in (*COUNTERS, *GAUGES, *HISTOGRAMS)}
    assert families == named
    assert all(name.endswith("_total") for name in COUNTERS)
    assert all(name.endswith("_seconds") for name in HISTOGRAMS)
    allowed = {
        "site", "kind", "lane", "state", "stage", "api", "change", "data_type", "method", "outcome", "route", "status",
        "status_class", "receiver", "side", "version", "python", "database",
    }  # fmt: skip
    assert set(re.findall(r'[{,](\w+)="', metrics.render().decode())) - {"le"} <= allowed


def test_a_corner_of_the_outbox_that_emptied_disappears() -> None:
    metrics = Metrics()
    tell_everything(metrics, SITE)
    metrics.outbox([])
    assert not [key for key in numbers(metrics) if key.startswith("outbox_")]


def test_every_counter_stands_at_0_before_the_first_event() -> None:
    """To Prometheus, a series that begins with its first event has no increase."""
    metrics = Metrics()
    metrics.connection(SITE, [Kind.PRODUCTS, Kind.CUSTOMERS], ["bigcommerce", "sparklayer"])
    metrics.route("/healthz")
    began = metrics._counts.numbers
    assert {name for name, *_ in began} == set(COUNTERS)
    assert set(began.values()) == {0.0}
    expected = {
        ("webhooks_total", str(SITE), "refused"),
        ("webhooks_total", "", "unknown_site"),
        ("http_requests_total", "/healthz", "503"),
        ("entities_total", str(SITE), "customers", "broken"),
        ("api_requests_total", str(SITE), "sparklayer", "error"),
        ("full_syncs_total", str(SITE), "products", "failed"),
        ("actor_restarts_total", str(SITE), "products"),
        ("sync_log_calls_total", str(SITE), "products", "PATCH", "failed"),
        ("throttle_refused_total", str(SITE), "bigcommerce"),
        ("webhooks_missed_total", str(SITE), "products"),
        ("storage_commits_total", "failed"),
    }
    assert expected <= began.keys()


def test_a_connection_that_begins_again_goes_on_counting() -> None:
    metrics = Metrics()
    for _ in range(2):
        metrics.connection(SITE, [Kind.PRODUCTS], ["bigcommerce"])
        metrics.actor_restarted(SITE, Kind.PRODUCTS)
        metrics.webhook("refused", SITE)
    found = numbers(metrics)
    assert found["actor_restarts_total{kind=products,site=live/jones}"] == 2
    assert found["webhooks_total{outcome=refused,site=live/jones}"] == 2


def test_two_daemons_in_one_process_do_not_share_numbers() -> None:
    one, two = Metrics(), Metrics()
    one.webhook("recorded")
    assert "webhooks_total{outcome=recorded,site=}" not in numbers(two)


def test_of_a_site_that_is_gone_only_the_counts_stay() -> None:
    metrics = Metrics()
    other = Site("live", "smith")
    for site in (SITE, other):
        tell_everything(metrics, site)
    before = numbers(metrics)
    metrics.forget(SITE)
    after = numbers(metrics)
    gauges = {name for name, (_, labels) in GAUGES.items() if "site" in labels}
    gone = {name for name in before if name.split("{")[0] in gauges and f"site={SITE}" in name}
    assert gone
    assert before.keys() - after.keys() == gone


def test_a_kind_that_is_no_longer_blocked_has_no_time_of_it() -> None:
    metrics = Metrics()
    for since in (5.0, None, None):
        metrics.blocked(SITE, Kind.ORDERS, {Side.PLATFORM: since is not None}, since)
    found = numbers(metrics)
    assert found["blocked{kind=orders,side=platform,site=live/jones}"] == 0
    assert not [key for key in found if key.startswith("blocked_since")]
