"""The alerts in config/ use only series and labels that the daemon has.

promtool tests that each rule fires when it should, and only then: `make alerts`.
"""

import re
from pathlib import Path

import pytest
import yaml

from daemon.observability.series import COUNTERS, GAUGES, HISTOGRAMS

CONFIG = Path(__file__).parent.parent.parent / "config"
TARGET = {"instance", "job"}
"""Labels that Prometheus adds to every series."""

LABELS = {name: set(each[1]) | TARGET for table in (COUNTERS, GAUGES, HISTOGRAMS) for name, each in table.items()}
RULES = [
    rule for group in yaml.safe_load((CONFIG / "alerts.yml").read_text("utf-8"))["groups"] for rule in group["rules"]
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_an_alert_asks_for_what_there_is(rule: dict[str, str]) -> None:
    operands = rule["expr"].split(" unless ")
    found = [re.findall(r"ignite_sync_(\w+)(?:\{([^}]*)\})?", operand) for operand in operands]
    assert all(found) or rule["expr"].startswith('up{job="ignite-sync"}')
    for operand, series in zip(operands, found, strict=True):
        grouped = re.findall(r"(?:by|on) \(([^)]*)\)", operand)
        for name, selectors in series:
            wanted = set(re.findall(r"(\w+)=", selectors)) | {label for by in grouped for label in by.split(", ")}
            assert wanted <= LABELS[name], name


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_an_alert_names_the_site(rule: dict[str, dict[str, str]]) -> None:
    """An alert about the whole daemon lists all of its sites."""
    summary = rule["annotations"]["summary"]
    listed = "| query | sortByLabel" in summary and "{{ .Labels.site }}" in summary
    assert summary.startswith("{{ $labels.site }}: ") or (listed and "{{ $labels.instance }}" in summary)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_an_alert_leads_to_its_runbook(rule: dict[str, dict[str, str]]) -> None:
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    titles = re.findall(r"^#+ (.+)$", (CONFIG.parent / page).read_text("utf-8"), re.MULTILINE)
    assert anchor in {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_an_alert_is_tried_firing_and_not_firing(rule: dict[str, str]) -> None:
    tests = yaml.safe_load((Path(__file__).parent / "alerts.test.yml").read_text("utf-8"))["tests"]
    tried = [case for test in tests for case in test["alert_rule_test"] if case["alertname"] == rule["alert"]]
    assert {bool(case["exp_alerts"]) for case in tried} == {True, False}


def test_the_scrape_configuration_names_the_alerts_and_the_job_they_ask_for() -> None:
    prometheus = yaml.safe_load((CONFIG / "prometheus.yml").read_text("utf-8"))
    assert [(CONFIG / name).exists() for name in prometheus["rule_files"]] == [True]
    assert [job["job_name"] for job in prometheus["scrape_configs"]] == ["ignite-sync"]
