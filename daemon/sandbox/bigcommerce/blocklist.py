"""The domains that no webhook is sent to for a while, since too few of the last ones were taken (section 12).

The sandbox blocks on request only. What would be sent meanwhile goes to the retry queue: the narrower of the two
readings that BigCommerce's pages allow.
"""

from typing import Any
from urllib.parse import urlsplit

import trio

BLOCKED_SECONDS = 180.0
"""Seconds for which a domain stays blocked."""


class Blocklist:
    """The blocked domains; `time_scale` shortens the blocks."""

    def __init__(self, time_scale: float) -> None:
        self._scale = time_scale
        self._until: dict[str, float] = {}

    def block(self, domain: str) -> None:
        """Send nothing to `domain` for three minutes, scaled."""
        self._until[domain] = trio.current_time() + BLOCKED_SECONDS * self._scale

    def has(self, destination: str) -> bool:
        """Return true if the domain of a URL is blocked, with all its paths."""
        return self._left(urlsplit(destination).hostname or "") > 0

    def shown(self) -> list[dict[str, Any]]:
        """Return the list for `GET /v3/hooks/admin`. The unit of `time_left` and the reasons are inferred."""
        reasons = ["Success rate below 90 % in the last two minutes"]
        blocked = {domain: self._left(domain) for domain in self._until}
        return [{"destination": at, "time_left": left, "reasons": reasons} for at, left in blocked.items() if left > 0]

    def _left(self, domain: str) -> float:
        return self._until.get(domain, 0.0) - trio.current_time()
