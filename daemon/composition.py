"""The parts of the daemon, built and joined: those that work on connections, and the routes that lead to them.

Nothing runs yet; see `daemon.app`.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from attrs import frozen

from daemon.admin.audit import AuditLog
from daemon.admin.described import DESCRIBED
from daemon.admin.gauges import Gauges
from daemon.admin.issue_links import IssueLinks
from daemon.admin.service import AdminService
from daemon.admin.verify import Verifications
from daemon.config import Settings
from daemon.connections.app_visits import AppVisits, build_apps
from daemon.connections.delivery_notes import DeliveryNotes
from daemon.connections.events import Events
from daemon.connections.factory import ConnectionFactory
from daemon.connections.guests import Guests
from daemon.connections.intake import Intake
from daemon.connections.lifecycle import Lifecycle
from daemon.connections.registry import KnownStore, Registry
from daemon.connections.teardown import Teardown
from daemon.connections.tenure import Alone, Tenure
from daemon.connections.wakeups import NoWakeups, Wakeups
from daemon.engine.supervisor import Supervisor
from daemon.errors import Failure
from daemon.listener.admin import Admin
from daemon.listener.apps import Apps
from daemon.listener.ignite import Ignite
from daemon.listener.page.page import OperatorsPage
from daemon.listener.routes import Route, described
from daemon.listener.webhooks import Webhooks
from daemon.model import ApiKey, Site
from daemon.observability.metrics import Metrics
from daemon.observability.tracing import Tracing
from daemon.platforms import load_platforms
from daemon.platforms.base import PlatformType
from daemon.storage.database import OpenStorage
from daemon.storage.vault import Vault, load_fingerprint


@frozen(kw_only=True)
class Daemon:
    """The parts that work on the connections of one database; see `compose`."""

    supervisor: Supervisor
    teardown: Teardown
    lifecycle: Lifecycle
    intake: Intake
    guests: Guests
    events: Events
    admin: AdminService
    tenure: Tenure


async def compose(
    settings: Settings,
    database: OpenStorage,
    metrics: Metrics,
    *,
    platforms: Mapping[str, PlatformType] | None = None,
    tenure: Tenure | None = None,
    wakeups: Wakeups | None = None,
    knows: Callable[[Site, ApiKey], Awaitable[bool | None]] | None = None,
    attempt: Callable[[Site, KnownStore], Awaitable[Failure | None]] | None = None,
    now: Callable[[], float] | None = None,
    tracing: Tracing | None = None,
) -> Daemon:
    """Build the parts; no connection is started.

    Tests replace what reaches outside; for `knows` and `attempt` see Lifecycle.
    """
    vault = Vault(settings.security.secret_keys)
    platforms = load_platforms() if platforms is None else platforms
    registry = Registry(settings, database, vault, platforms)
    fingerprint = await load_fingerprint(database, vault)
    tenure = tenure or Alone(database)
    now = now or tenure.now
    factory = ConnectionFactory(
        registry=registry, fingerprint=fingerprint, metrics=metrics, tracing=tracing, now=tenure.now
    )
    supervisor = Supervisor()
    teardown = Teardown(factory, supervisor, now)
    lifecycle = Lifecycle(
        storage=database,
        registry=registry,
        factory=factory,
        tenure=tenure,
        wakeups=wakeups or NoWakeups(),
        supervisor=supervisor,
        teardown=teardown,
        apps=build_apps(settings, platforms),
        knows=knows or factory.knows,
        attempt=attempt or factory.attempt,
        now=now,
    )
    events = Events(lifecycle)
    intake = Intake(
        lifecycle=lifecycle,
        events=events,
        notes=DeliveryNotes(storage=database, wakeups=lifecycle.wakeups, now=now),
        tracing=tracing,
    )
    guests = Guests(factory=factory, supervisor=supervisor)
    return Daemon(
        supervisor=supervisor,
        teardown=teardown,
        lifecycle=lifecycle,
        intake=intake,
        guests=guests,
        events=events,
        admin=_admin(database, lifecycle, intake, guests, metrics),
        tenure=tenure,
    )


def _admin(
    storage: OpenStorage, lifecycle: Lifecycle, intake: Intake, guests: Guests, metrics: Metrics
) -> AdminService:
    registry, supervisor, now = lifecycle.registry, lifecycle.supervisor, lifecycle.now
    vault = registry.vault
    return AdminService(
        storage=storage,
        vault=vault,
        supervisor=supervisor,
        lifecycle=lifecycle,
        intake=intake,
        guests=guests,
        audit=AuditLog(storage=storage, vault=vault, now=now),
        gauges=Gauges(storage=storage, vault=vault, supervisor=supervisor, paused=lifecycle.paused, metrics=metrics),
        verifications=Verifications(storage=storage, factory=lifecycle.factory, supervisor=supervisor),
        links=IssueLinks(registry.settings.security.secret_keys, now),
    )


def build_routes(daemon: Daemon, settings: Settings) -> list[Route]:
    """Return every route that is served."""
    admin, intake, lifecycle, metrics = daemon.admin, daemon.intake, daemon.lifecycle, daemon.lifecycle.factory.metrics
    routes = Webhooks(intake, metrics).routes()
    routes += Ignite(
        token=settings.listener.ignite_token,
        connect=lifecycle.connect,
        disconnect=lifecycle.disconnect,
        trigger=intake.trigger,
        pull=daemon.guests.pull,
        fetch=daemon.guests.fetch,
    ).routes()
    visits = AppVisits(lifecycle)
    for name, app in lifecycle.apps.items():
        platform = lifecycle.registry.platforms[name]
        routes += Apps(
            name=name,
            label=platform.label,
            pages=platform.app.pages if platform.app else (),
            app=app,
            visited=visits.visited,
            install_address=visits.install_address,
        ).routes()
    routes += Admin(
        tokens=settings.listener.operators,
        metrics_open=settings.listener.metrics_open,
        metrics=metrics,
        why_not_ready=admin.why_not_ready,
        refresh=admin.refresh,
        operations=admin.operations,
        described=DESCRIBED,
        document=partial(described, routes),
    ).routes()
    routes += OperatorsPage(
        tokens=settings.listener.operators,
        secret_keys=settings.security.secret_keys,
        operations=admin.operations,
        entered=admin.audit.note,
        shared=admin.shared_issues,
        now=lifecycle.now,
    ).routes()
    return routes
