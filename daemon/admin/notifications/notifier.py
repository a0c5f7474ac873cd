"""All of telling: the watch, and a task for each receiver."""

from collections.abc import Callable, Sequence

import trio
from attrs import frozen

from daemon.admin.notifications.changes import Pace
from daemon.admin.notifications.message import RUNBOOK
from daemon.admin.notifications.telling import Telling, receivers
from daemon.admin.notifications.watch import Watch
from daemon.config import Settings
from daemon.engine.context import ConnectionContext
from daemon.observability.metrics import Metrics
from daemon.storage.database import Storage
from daemon.storage.vault import Vault
from daemon.transport.http import Transport


@frozen(kw_only=True)
class Notifier:
    """The tasks that tell receivers. Without a receiver nothing runs."""

    watch: Watch
    tellings: Sequence[Telling]

    async def run(self) -> None:
        """Watch and tell until cancelled; return at once without a receiver."""
        if self.tellings:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.watch.run)
                for telling in self.tellings:
                    nursery.start_soon(telling.run)

    async def aclose(self) -> None:
        """Close the connections to the receivers."""
        for telling in self.tellings:
            await telling.receiver.api.aclose()


def build_notifier(
    settings: Settings,
    *,
    storage: Storage,
    vault: Vault,
    contexts: Callable[[], list[ConnectionContext]],
    metrics: Metrics,
    now: Callable[[], float],
    transport: Transport | None = None,
) -> Notifier:
    """Build the tasks for the configured receivers; tests bring a `transport`."""
    given, listener = settings.notifications, settings.listener
    watch = Watch(storage=storage, vault=vault, contexts=contexts, after=given.after_seconds, now=now)
    # Without an operator there is no page.
    page = f"{listener.public_url}/sites" if listener.public_url and listener.operators else None
    tellings = [
        Telling(
            receiver=receiver,
            watch=watch,
            storage=storage,
            metrics=metrics,
            pace=Pace(after=given.after_seconds, digest=given.digest_seconds),
            page=page,
            runbook=given.runbook_url or RUNBOOK,
        )
        for receiver in receivers(given, transport)
    ]
    return Notifier(watch=watch, tellings=tellings)
