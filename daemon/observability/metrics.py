"""The daemon's numbers, in Prometheus' words.

Every name starts with `ignite_sync_`, has a base unit, and ends in `_total` when it only grows. Labels are
few and bounded: site, kind, lane, state, stage, api, data_type, method, outcome, route, status. Never the id
of an entity: a series per product would cost memory for ever, and nobody may learn ids from /metrics.

`Metrics` has its own registry, so that two daemons (or two tests) in one process do not share numbers. Parts
are handed the facade's methods, one per fact, and never touch prometheus_client. The three tables are the
whole list.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import prometheus_client
from attrs import field, frozen
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from daemon.model import Kind, Lane, Site

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_PLAIN_0_0_4
"""What `Metrics.render` returns."""

WebhookOutcome = Literal[
    "recorded", "unknown_scope", "unknown_site", "unsupported", "refused", "malformed", "unavailable"
]
EntityOutcome = Literal["unchanged", "written", "removed", "rejected", "retried", "parked", "broken"]

CALL_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Buckets for what happens inside one call."""

WAY_SECONDS = (0.5, 1, 1.5, 2, 3, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400, 172800)
"""Buckets for a change's whole way: the debounce alone takes one second, parking comes after 48 hours."""

COUNTERS = {
    "webhooks_total": ("Webhooks answered.", ["outcome"]),
    "webhook_stale_total": ("Webhooks whose signed timestamp was older than five minutes.", []),
    "http_requests_total": ("Requests answered by the listener; route is its pattern.", ["route", "status"]),
    "entities_total": ("Entities worked on.", ["site", "kind", "outcome"]),
    "api_requests_total": (
        "Requests sent; status_class is 2xx to 5xx, or error.",
        ["site", "api", "status_class"],
    ),
    "full_syncs_total": ("Full syncs that ended.", ["site", "kind", "outcome"]),
    "actor_restarts_total": ("Crashed actors that were started again.", ["site", "kind"]),
    "sync_log_calls_total": ("Calls to the sync-log.", ["site", "data_type", "method", "outcome"]),
    "storage_commits_total": ("Transactions tried by the writer.", ["outcome"]),
    "storage_rows_total": ("Operations handed to the writer, many of which share a commit.", []),
}

GAUGES = {
    "outbox_depth": ("Changes waiting.", ["site", "kind", "lane", "state"]),
    "outbox_oldest_seconds": ("Age of the oldest change waiting.", ["site", "kind", "lane", "state"]),
    "breaker_open": ("1 while the breaker keeps calls back.", ["site", "api"]),
    "full_sync_progress_entities": (
        "Entities of the running full sync, by stage.",
        ["site", "kind", "stage"],
    ),
    "issues_open": ("Things the merchant must fix.", ["site", "kind"]),
    "sync_log_untold": ("Errors that the sync-log has no room for.", ["site", "data_type"]),
    "connections": ("Connections, by state.", ["state"]),
}

HISTOGRAMS = {
    "push_seconds": ("From a change being queued to its being settled.", ["site", "kind"], WAY_SECONDS),
    "api_seconds": ("From sending a request to having read its answer.", ["api"], CALL_SECONDS),
    "throttle_wait_seconds": ("Waiting for a turn at an API.", ["site", "api", "lane"], CALL_SECONDS),
    "storage_commit_seconds": ("From BEGIN to the end of COMMIT.", [], CALL_SECONDS),
}


@frozen(kw_only=True)
class QueueDepth:
    """What waits in one corner of the outbox, and how long its oldest row has."""

    site: Site
    kind: Kind
    lane: Lane
    state: str
    rows: int
    oldest_seconds: float


def _full(name: str) -> str:
    return f"ignite_sync_{name}"


@frozen
class Metrics:
    """All numbers of one daemon, and one method per fact that changes them."""

    registry: CollectorRegistry = field(factory=CollectorRegistry)
    _counters: dict[str, Counter] = field(init=False, factory=dict)
    _gauges: dict[str, Gauge] = field(init=False, factory=dict)
    _histograms: dict[str, Histogram] = field(init=False, factory=dict)
    _children: dict[tuple[str, ...], Counter] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        disable_created: Callable[[], None] = prometheus_client.disable_created_metrics
        disable_created()  # they are a second series beside each counter, which nobody reads
        for name, (told, labels) in COUNTERS.items():
            self._counters[name] = Counter(_full(name), told, labels, registry=self.registry)
        for name, (told, labels) in GAUGES.items():
            self._gauges[name] = Gauge(_full(name), told, labels, registry=self.registry)
        for name, (told, labels, buckets) in HISTOGRAMS.items():
            self._histograms[name] = Histogram(_full(name), told, labels, buckets=buckets, registry=self.registry)

    def _count(self, *series: str) -> None:
        """Add one to the counter named by the first word, with the others as its labels."""
        child = self._children.get(series)
        if child is None:  # prometheus_client's own look-up takes a lock and a microsecond
            name, *labels = series
            counter = self._counters[name]
            child = self._children[series] = counter.labels(*labels) if labels else counter
        child.inc()

    def _set(self, number: float, name: str, *labels: str) -> None:
        self._gauges[name].labels(*labels).set(number)

    def webhook(self, outcome: WebhookOutcome) -> None:
        """Count a webhook that was answered."""
        self._count("webhooks_total", outcome)

    def webhook_stale(self) -> None:
        """Count a verified webhook that was signed more than five minutes ago."""
        self._count("webhook_stale_total")

    def http_request(self, route: str, status: int) -> None:
        """Count an answer of the listener; `route` is a pattern, or empty when none was found."""
        self._count("http_requests_total", route, str(status))

    def outbox(self, corners: Iterable[QueueDepth]) -> None:
        """Show the outbox as counted just now. A corner that is not named is empty."""
        self._gauges["outbox_depth"].clear()
        self._gauges["outbox_oldest_seconds"].clear()
        for at in corners:
            labels = (str(at.site), at.kind, at.lane.name.lower(), at.state)
            self._set(at.rows, "outbox_depth", *labels)
            self._set(at.oldest_seconds, "outbox_oldest_seconds", *labels)

    def entity(self, site: Site, kind: Kind, outcome: EntityOutcome) -> None:
        """Count an entity that was worked on."""
        self._count("entities_total", str(site), kind, outcome)

    def pushed(self, site: Site, kind: Kind, seconds: float) -> None:
        """Note that a change was settled, `seconds` after it was first queued."""
        self._histograms["push_seconds"].labels(str(site), kind).observe(seconds)

    def api_request(self, site: Site, api: str, status: int | None, seconds: float) -> None:
        """Count a request answered with `status`, or failed without an answer (None)."""
        status_class = f"{status // 100}xx" if status else "error"
        self._count("api_requests_total", str(site), api, status_class)
        self._histograms["api_seconds"].labels(api).observe(seconds)

    def throttle_wait(self, site: Site, api: str, lane: Lane, seconds: float) -> None:
        """Note how long a call waited for its turn."""
        self._histograms["throttle_wait_seconds"].labels(str(site), api, lane.name.lower()).observe(seconds)

    def breaker(self, site: Site, api: str, *, is_open: bool) -> None:
        """Show that a breaker opened or closed."""
        self._set(is_open, "breaker_open", str(site), api)

    def full_sync_ended(self, site: Site, kind: Kind, outcome: str) -> None:
        """Count a full sync that ended, such as succeeded, failed or cancelled."""
        self._count("full_syncs_total", str(site), kind, outcome)

    def full_sync_progress(self, site: Site, kind: Kind, stages: Mapping[str, int]) -> None:
        """Show how far a full sync is: entities by stage, such as seen, done and failed."""
        for stage, entities in stages.items():
            self._set(entities, "full_sync_progress_entities", str(site), kind, stage)

    def actor_restarted(self, site: Site, kind: Kind) -> None:
        """Count a crashed actor that the supervisor started again."""
        self._count("actor_restarts_total", str(site), kind)

    def issues(self, site: Site, kind: Kind, number: int) -> None:
        """Show how many issues are open now."""
        self._set(number, "issues_open", str(site), kind)

    def sync_log_call(self, site: Site, data_type: str, method: str, outcome: str) -> None:
        """Count a call to the sync-log."""
        self._count("sync_log_calls_total", str(site), data_type, method, outcome)

    def sync_log_untold(self, site: Site, data_type: str, errors: int) -> None:
        """Show how many errors wait for room in the sync-log."""
        self._set(errors, "sync_log_untold", str(site), data_type)

    def storage_commit(self, outcome: str, rows: int, seconds: float) -> None:
        """Note that the writer committed, or failed to commit, `rows` operations together."""
        self._count("storage_commits_total", outcome)
        self._counters["storage_rows_total"].inc(rows)
        self._histograms["storage_commit_seconds"].observe(seconds)

    def connections(self, states: Mapping[str, int]) -> None:
        """Show how many connections there are now in each state."""
        self._gauges["connections"].clear()
        for state, number in states.items():
            self._set(number, "connections", state)

    def forget(self, site: Site) -> None:
        """Drop every series of a site that was disconnected: a gauge left behind would alarm for ever."""
        for series in [series for series in self._children if str(site) in series]:
            del self._children[series]
        for metric in (*self._counters.values(), *self._gauges.values(), *self._histograms.values()):
            if "site" in metric._labelnames:  # noqa: SLF001
                metric.remove_by_labels({"site": str(site)})

    def render(self) -> bytes:
        """Return every series as /metrics shows it, of content type `CONTENT_TYPE`."""
        return prometheus_client.generate_latest(self.registry)
