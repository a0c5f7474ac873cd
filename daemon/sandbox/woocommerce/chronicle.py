"""The clock of a WooCommerce shop, its time zone, and the events that its listeners receive.

A shop keeps each date twice: in GMT and in the site's local time of that moment (woocommerce-more.md, Time). A change
of the zone moves no stored local date, so the two drift apart; that is what breaks a search by local dates.
"""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from attrs import define, field, frozen

from daemon.sandbox.chronicle import Chronicle


@frozen
class Event:
    """An announcement: a webhook topic, and the id of the product, order or customer."""

    topic: str
    id: int


@frozen
class Moment:
    """A stored date: in GMT, and as the site's clock showed it then. Both are naive, of whole seconds."""

    gmt: datetime
    local: datetime


@define(eq=False, kw_only=True)
class WooCommerceChronicle(Chronicle[Event]):
    """A shop's clock, zone and listeners."""

    zone: ZoneInfo = field(factory=lambda: ZoneInfo("UTC"))

    def moment(self) -> Moment:
        """Return the present second."""
        gmt = datetime.fromtimestamp(int(self.clock()), UTC).replace(tzinfo=None)
        return Moment(gmt, self.local(gmt))

    def local(self, gmt: datetime) -> datetime:
        """Return the local form of a naive GMT time, by the present zone."""
        return gmt.replace(tzinfo=UTC).astimezone(self.zone).replace(tzinfo=None)

    def set_zone(self, name: str) -> None:
        """Move the site to another time zone, such as `Australia/Sydney`. Stored local dates stay as they are."""
        self.zone = ZoneInfo(name)
