"""BigCommerce's rate limit: a number of requests per fixed window, told in four headers (bigcommerce.md section 10).

Without a quota nothing is refused, yet the headers are there, as on an Enterprise plan. A switch leaves the headers
out of the refusal, which is how the real platform answers under load.
"""

import trio
from attrs import define

UNLIMITED = 7_000_000
"""Value of the headers when there is no quota."""


@define
class Quota:
    """`limit` requests per `window` seconds; the window begins with the first request in it."""

    limit: int | None
    window: float
    headers_on_refusal: bool = True
    refused: int = 0
    _since: float = float("-inf")
    _used: int = 0

    def take(self) -> bool:
        """Count a request; False when it is one too many."""
        now = trio.current_time()
        if now - self._since >= self.window:
            self._since, self._used = now, 0
        self._used += 1
        allowed = self.limit is None or self._used <= self.limit
        self.refused += not allowed
        return allowed

    def headers(self) -> dict[str, str]:
        """Return what every answer tells of the limit."""
        left = self._since + self.window - trio.current_time()
        quota = UNLIMITED if self.limit is None else self.limit
        return {
            "x-rate-limit-time-window-ms": str(int(self.window * 1000)),
            "x-rate-limit-time-reset-ms": str(max(0, int(left * 1000))),
            "x-rate-limit-requests-quota": str(quota),
            "x-rate-limit-requests-left": str(max(0, quota - self._used)),
        }

    def refusal_headers(self) -> dict[str, str]:
        """Return what a 429 tells; seconds are rounded up."""
        if not self.headers_on_refusal:
            return {}
        left = self._since + self.window - trio.current_time()
        return self.headers() | {"x-retry-after": str(int(left) + 1)}
