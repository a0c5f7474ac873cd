"""The clock of a BigCommerce store, with dates as its API writes them."""

from datetime import UTC, datetime

from attrs import define

from daemon.sandbox.bigcommerce.events import Event
from daemon.sandbox.chronicle import Chronicle


@define(eq=False, kw_only=True)
class BigCommerceChronicle(Chronicle[Event]):
    """A store's clock and its listeners."""

    def now(self) -> int:
        """Return the present second since the epoch."""
        return int(self.clock())

    def stamp(self) -> str:
        """Return the present second as BigCommerce writes it in v3."""
        return datetime.fromtimestamp(self.clock(), UTC).isoformat(timespec="seconds")
