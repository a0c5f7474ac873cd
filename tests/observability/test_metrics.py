"""/metrics has fixed names, bounded labels, and the numbers of the facts."""

import ast
import platform
import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from daemon.model import Kind, Site
from daemon.model.outcome import Result
from daemon.observability.metrics import Metrics
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
    """Feed every series that `series` names."""
    values = {"site": str(site)}
    for name, (_, labels) in COUNTERS.items():
        metrics.count(name, *(values.get(label, "x") for label in labels))
    for name, (_, labels) in GAUGES.items():
        metrics.show(name, 5.0, *(values.get(label, "x") for label in labels))
    for name, (_, labels, _) in HISTOGRAMS.items():
        metrics.observe(name, 0.5, *(values.get(label, "x") for label in labels))


def test_each_fact_arrives_as_its_number() -> None:
    metrics = Metrics()
    metrics.webhook("recorded")
    metrics.webhook("refused", SITE)
    metrics.webhook("refused", SITE)
    metrics.count("webhooks_mended_total", str(SITE), more=5)
    metrics.count("entities_total", str(SITE), Kind.PRODUCTS, Result.WRITTEN)
    metrics.total(9, "throttle_turns_total", str(SITE), "sparklayer.stock")
    metrics.show("issues_open", 2, str(SITE), Kind.PRODUCTS)
    metrics.show("storage_waiting", 6)
    metrics.observe("push_seconds", 1.2, str(SITE), Kind.PRODUCTS, "live")
    metrics.storage_commit("ok", 40, 0.004)
    metrics.build("1.2", "sqlite")
    found = numbers(metrics)
    expected = {
        "webhooks_total{outcome=recorded,site=}": 1,
        "webhooks_total{outcome=refused,site=live/jones}": 2,
        "webhooks_mended_total{site=live/jones}": 5,
        "entities_total{kind=products,outcome=written,site=live/jones}": 1,
        "throttle_turns_total{api=sparklayer.stock,site=live/jones}": 9,
        "issues_open{kind=products,site=live/jones}": 2,
        "storage_waiting{}": 6,
        "push_seconds_sum{kind=products,lane=live,site=live/jones}": 1.2,
        "storage_commits_total{outcome=ok}": 1,
        "storage_rows_total{}": 40,
        "storage_commit_seconds_count{}": 1,
        f"build_info{{database=sqlite,python={platform.python_version()},version=1.2}}": 1,
    }
    assert {key: found.get(key) for key in expected} == expected


def test_the_daemon_feeds_every_series_and_counts_with_all_labels() -> None:
    """Names are texts that no type checks. Of gauges and histograms, the library itself refuses wrong labels."""
    texts, counted = set[str](), list[tuple[str, int]]()
    for path in Path("daemon").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())) if path.name != "series.py" else ():
            match node:
                case ast.Constant(value=str(text)):
                    texts.add(text)
                case ast.Call(func=ast.Attribute(attr="count"), args=[ast.Constant(value=str(name)), *labels]):
                    counted += [(name, len(labels))] if name.endswith("_total") else []
    assert {*COUNTERS, *GAUGES, *HISTOGRAMS} <= texts
    assert counted
    assert [
        call for call in counted if call not in {(name, len(labels)) for name, (_, labels) in COUNTERS.items()}
    ] == []


def test_every_name_follows_the_rules() -> None:
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
        "status_class", "receiver", "side", "version", "python", "database", "way",
    }  # fmt: skip
    assert set(re.findall(r'[{,](\w+)="', metrics.render().decode())) - {"le"} <= allowed


def test_a_gauge_that_was_cleared_or_has_no_number_disappears() -> None:
    metrics = Metrics()
    tell_everything(metrics, SITE)
    metrics.clear("outbox_depth", "outbox_oldest_seconds")
    for _ in range(2):
        metrics.show("blocked_since_timestamp_seconds", None, str(SITE), "x")
    assert not [key for key in numbers(metrics) if key.startswith(("outbox_", "blocked_since"))]


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
        metrics.count("actor_restarts_total", str(SITE), Kind.PRODUCTS)
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
