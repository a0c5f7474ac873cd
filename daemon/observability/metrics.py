"""The daemon's Prometheus metrics: one method for each fact.

`Metrics` has its own registry, so two daemons (or two tests) in one process do not share numbers. Other modules call
its methods, one per fact, and never touch prometheus_client. `series` lists every metric.
"""

import itertools
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal

import prometheus_client
from attrs import field, frozen
from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from daemon.errors import Side
from daemon.model import Kind, Lane, Site
from daemon.model.outcome import Result
from daemon.observability.series import COUNTERS, GAUGES, HISTOGRAMS, VALUES, LeaseChange, WebhookOutcome

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_PLAIN_0_0_4
"""Content type of `Metrics.render`."""


@frozen(kw_only=True)
class QueueDepth:
    """Rows in one part of the outbox, and the age of the oldest."""

    site: Site
    kind: Kind
    lane: Lane
    state: str
    rows: int
    oldest_seconds: float


@frozen(kw_only=True)
class ThrottleSnapshot:
    """The throttle of one API: requests that wait or are under way, and totals since the start."""

    api: str
    waiting: Mapping[Lane, int]
    oldest_seconds: Mapping[Lane, float]
    in_flight: int
    pause_seconds: float = 0.0
    held_back: int = 0
    breaker_open: bool
    turns: int
    refused: int
    waited_seconds: float


def _full(name: str) -> str:
    return f"ignite_sync_{name}"


@frozen(eq=False)
class _Counts(Collector):
    """Every counter in a dict, converted to Prometheus' classes at a scrape.

    This way counting takes 0.35 microseconds, 0.7 with prometheus_client's counters. Each webhook is counted twice.
    """

    numbers: dict[tuple[str, ...], float] = field(init=False)
    """Numbers by the counter's name, followed by its labels."""

    @numbers.default
    def _none_yet(self) -> dict[tuple[str, ...], float]:
        return {(name,): 0.0 for name, (_, labels) in COUNTERS.items() if not labels}

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Return all families. The registry calls it."""
        families = {
            name: CounterMetricFamily(_full(name), text, labels=labels) for name, (text, labels) in COUNTERS.items()
        }
        for (name, *labels), number in self.numbers.items():
            families[name].add_metric(labels, number)
        yield from families.values()


@frozen(eq=False)
class Metrics:
    """All metrics of one daemon, and one method for each fact that changes them."""

    registry: CollectorRegistry = field(factory=CollectorRegistry)
    _counts: _Counts = field(init=False, factory=_Counts)
    _gauges: dict[str, Gauge] = field(init=False, factory=dict)
    _histograms: dict[str, Histogram] = field(init=False, factory=dict)
    _series: dict[tuple[str, ...], Histogram] = field(init=False, factory=dict)
    """The histograms by name and labels. The library looks one up under a lock, with each label made a text."""

    def __attrs_post_init__(self) -> None:
        disable_created: Callable[[], None] = prometheus_client.disable_created_metrics
        disable_created()  # unused second series beside each histogram
        ProcessCollector(registry=self.registry)
        self.registry.register(self._counts)
        self._start({}, "site", "route")
        self._count_from_0("webhooks_total", {"site": [""], "outcome": ["unknown_site"]})
        for name, (text, labels) in GAUGES.items():
            self._gauges[name] = Gauge(_full(name), text, labels, registry=self.registry)
        for name, (text, labels, buckets) in HISTOGRAMS.items():
            self._histograms[name] = Histogram(_full(name), text, labels, buckets=buckets, registry=self.registry)

    def _count(self, *series: str) -> None:
        numbers = self._counts.numbers
        numbers[series] = numbers.get(series, 0.0) + 1.0

    def _observe(self, seconds: float, name: str, *labels: str) -> None:
        series = self._series.get((name, *labels))
        if series is None:
            series = self._series[name, *labels] = self._histograms[name].labels(*labels)
        series.observe(seconds)

    def _set(self, number: float, name: str, *labels: str) -> None:
        gauge = self._gauges[name]
        (gauge.labels(*labels) if labels else gauge).set(number)

    def _start(self, known: Mapping[str, Sequence[str]], *without: str) -> None:
        """Start every counter with all labels of `known`, and none of `without`, at 0."""
        for name, (_, labels) in COUNTERS.items():
            if known.keys() <= set(labels) and not set(without) & set(labels):
                self._count_from_0(name, {**known, **VALUES.get(name, {})})

    def _count_from_0(self, name: str, values: Mapping[str, Sequence[str]]) -> None:
        for series in itertools.product(*(values[label] for label in COUNTERS[name][1])):
            self._counts.numbers.setdefault((name, *series), 0.0)

    def connection(self, site: Site, kinds: Iterable[Kind], apis: Iterable[str]) -> None:
        """Start the counters of a connection at 0; existing ones continue."""
        each = {"site": [str(site)]}
        self._start(each, "kind", "api")
        self._start(each | {"kind": [kind.value for kind in kinds]})
        self._start(each | {"api": list(apis)})

    def route(self, pattern: str) -> None:
        """Start the counters of a route at 0; empty for requests without a route."""
        self._start({"route": [pattern]})

    def webhook(self, outcome: WebhookOutcome, site: Site | None = None) -> None:
        """Count an answered webhook; without a `site` if no connection has it."""
        self._count("webhooks_total", "" if site is None else str(site), outcome)

    def webhook_stale(self) -> None:
        """Count a verified webhook that was signed more than five minutes ago."""
        self._count("webhooks_stale_total")

    def webhook_missed(self, site: Site, kind: Kind) -> None:
        """Count an entity that changed without a webhook."""
        self._count("webhooks_missed_total", str(site), kind)

    def http_request(self, route: str, status: int) -> None:
        """Count an answer of the listener; `route` is a pattern, or empty if none matched."""
        self._count("http_requests_total", route, str(status))

    def outbox(self, corners: Iterable[QueueDepth]) -> None:
        """Show the present outbox. Parts that are not listed are empty."""
        self._gauges["outbox_depth"].clear()
        self._gauges["outbox_oldest_seconds"].clear()
        for at in corners:
            labels = (str(at.site), at.kind, at.lane.name.lower(), at.state)
            self._set(at.rows, "outbox_depth", *labels)
            self._set(at.oldest_seconds, "outbox_oldest_seconds", *labels)

    def entity(self, site: Site, kind: Kind, outcome: Result) -> None:
        """Count a processed entity."""
        self._count("entities_total", str(site), kind, outcome)

    def pushed(self, site: Site, kind: Kind, lane: Lane, seconds: float) -> None:
        """Record a change settled `seconds` after it was first queued."""
        self._observe(seconds, "push_seconds", str(site), kind, lane.name.lower())

    def api_request(self, site: Site, api: str, status: int | None, seconds: float) -> None:
        """Count a request answered with `status`; None for one without an answer."""
        status_class = f"{status // 100}xx" if status else "error"
        self._count("api_requests_total", str(site), api, status_class)
        self._observe(seconds, "api_seconds", api)

    def throttle(self, site: Site, now: ThrottleSnapshot) -> None:
        """Show the present state of a throttle."""
        for lane, waiting in now.waiting.items():
            self._set(waiting, "throttle_waiting", str(site), now.api, lane.name.lower())
            self._set(now.oldest_seconds[lane], "throttle_oldest_seconds", str(site), now.api, lane.name.lower())
        self._set(now.in_flight, "throttle_in_flight", str(site), now.api)
        self._set(now.pause_seconds, "throttle_pause_seconds", str(site), now.api)
        self._set(now.held_back, "throttle_held_back", str(site), now.api)
        self._set(now.breaker_open, "breaker_open", str(site), now.api)
        for name, total in (("turns", now.turns), ("refused", now.refused), ("waited_seconds", now.waited_seconds)):
            self._counts.numbers[f"throttle_{name}_total", str(site), now.api] = total

    def full_sync_ended(self, site: Site, kind: Kind, outcome: str) -> None:
        """Count a full sync that ended: succeeded, failed or cancelled."""
        self._count("full_syncs_total", str(site), kind, outcome)

    def full_sync_progress(self, site: Site, kind: Kind, stages: Mapping[str, int]) -> None:
        """Show the progress of a full sync: entities by stage, such as seen, done and failed."""
        for stage, entities in stages.items():
            self._set(entities, "full_sync_progress_entities", str(site), kind, stage)

    def actor_restarted(self, site: Site, kind: Kind) -> None:
        """Count a crashed actor that the supervisor restarted."""
        self._count("actor_restarts_total", str(site), kind)

    def issues(self, site: Site, kind: Kind, number: int) -> None:
        """Show the number of open issues."""
        self._set(number, "issues_open", str(site), kind)

    def removals_held(self, site: Site, kind: Kind, number: int) -> None:
        """Show the number of entities with a held removal."""
        self._set(number, "removals_held", str(site), kind)

    def gap(self, site: Site, kind: Kind, *, is_open: bool) -> None:
        """Show a gap in the webhooks, or its end."""
        self._set(is_open, "gaps_open", str(site), kind)

    def census(self, site: Site, kind: Kind, seconds: float) -> None:
        """Show how long the last census took."""
        self._set(seconds, "census_seconds", str(site), kind)

    def webhooks_mended(self, site: Site, *, mended: int, switched_off: int) -> None:
        """Count what a look at the webhooks has changed, and what the platform had switched off."""
        numbers = self._counts.numbers
        for name, more in (("webhooks_mended_total", mended), ("webhooks_switched_off_total", switched_off)):
            numbers[name, str(site)] = numbers.get((name, str(site)), 0.0) + more

    def webhook_scopes(
        self, site: Site, *, registered: int, missing: int, age: float | None, unwell: float | None
    ) -> None:
        """Show the registration of webhooks.

        `age` is the time in seconds since its last check, `unwell` since it was last found right; None: it never was.
        """
        self._set(registered, "webhook_scopes", str(site), "registered")
        self._set(missing, "webhook_scopes", str(site), "missing")
        if age is not None:
            self._set(age, "webhooks_unchecked_seconds", str(site))
        if unwell is not None:
            self._set(unwell, "webhooks_unwell_seconds", str(site))

    def sync_log_call(self, site: Site, data_type: str, method: str, outcome: str) -> None:
        """Count a call to the sync-log."""
        self._count("sync_log_calls_total", str(site), data_type, method, outcome)

    def sync_log_waiting(self, site: Site, data_type: str, *, errors: int, synced: int) -> None:
        """Show the number of errors and synced ids not yet in the sync-log."""
        self._set(errors + synced, "sync_log_waiting", str(site), data_type)
        self._set(errors, "sync_log_untold", str(site), data_type)

    def notification(self, receiver: str, outcome: Literal["sent", "failed"]) -> None:
        """Count an attempt to tell a receiver."""
        self._count("notifications_total", receiver, outcome)

    def notifications_late(self, receiver: str, seconds: float) -> None:
        """Show for how long a receiver could not be told; 0 when it knows everything."""
        self._set(seconds, "notifications_late_seconds", receiver)

    def storage_commit(self, outcome: str, rows: int, seconds: float) -> None:
        """Record a commit of `rows` operations, or its failure."""
        self._count("storage_commits_total", outcome)
        self._counts.numbers["storage_rows_total",] += rows
        self._histograms["storage_commit_seconds"].observe(seconds)

    def storage_waiting(self, operations: int) -> None:
        """Show the number of operations that wait for a commit."""
        self._set(operations, "storage_waiting")

    def paused(self, site: Site, *, is_paused: bool) -> None:
        """Show an operator's pause of a connection, or its end."""
        self._set(is_paused, "paused", str(site))

    def blocked(self, site: Site, kind: Kind, sides: Mapping[Side, bool], since: float | None) -> None:
        """Show which sides block a kind, and since when (seconds since the epoch); None if none does."""
        for side, blocks in sides.items():
            self._set(blocks, "blocked", str(site), kind, side)
        if since is not None:
            self._set(since, "blocked_since_timestamp_seconds", str(site), kind)
        else:
            self._gauges["blocked_since_timestamp_seconds"].remove(str(site), kind)

    def full_sync_succeeded(self, site: Site, kind: Kind, ended: float) -> None:
        """Show when the last full sync that succeeded had ended, in seconds since the epoch."""
        self._set(ended, "full_sync_succeeded_timestamp_seconds", str(site), kind)

    def build(self, version: str, database: str) -> None:
        """Show the release, and the engine of the database: sqlite or postgresql."""
        self._set(1, "build_info", version, platform.python_version(), database)

    def connections(self, states: Mapping[str, int]) -> None:
        """Show the number of connections in each state."""
        self._gauges["connections"].clear()
        for state, number in states.items():
            self._set(number, "connections", state)

    def wakeups(self, present: str, ways: Iterable[str]) -> None:
        """Show which of the `ways` is in use by which a node learns what others have committed."""
        for way in ways:
            self._set(way == present, "wakeups", way)

    def lease_changed(self, change: LeaseChange) -> None:
        """Count a lease that was taken or given up."""
        self._count("lease_changes_total", change)

    def beat_late(self) -> None:
        """Count a beat that came late."""
        self._count("beats_late_total")

    def node(self, *, leases: int, differing: int, clock_offset: float) -> None:
        """Show what this node has, and how it differs from others and from the database."""
        self._set(leases, "leases")
        self._set(differing, "nodes_differing")
        self._set(clock_offset, "clock_offset_seconds")

    def beat_age(self, seconds: float) -> None:
        """Show the time since this node's last beat."""
        self._set(seconds, "beat_age_seconds")

    def forget(self, site: Site) -> None:
        """Remove the gauges of a site; its counters stay."""
        for name, (_, labels) in GAUGES.items():
            if "site" in labels:
                gauge = self._gauges[name]
                series = [sample.labels for family in gauge.collect() for sample in family.samples]
                for values in series:
                    if values["site"] == str(site):
                        gauge.remove(*(values[label] for label in labels))

    def render(self) -> bytes:
        """Return every series in the text format of /metrics."""
        return prometheus_client.generate_latest(self.registry)
