"""How many entities to ask for in one call.

A product may have 600 variants and BigCommerce bounds no answer's size, so a page of 250 can be more than a
store bears: it then answers 5xx or nothing. Trouble halves the size, each success lets it grow a little; so
the size settles just below what the store bears, for full syncs and live reads alike.
"""

from daemon.errors import Retry

LARGEST = 250
"""What the API allows (contract section 3)."""

SMALLEST = 10
STEP = 25


class PageSize:
    """Starts with the largest size."""

    def __init__(self) -> None:
        self.value = LARGEST

    def succeeded(self, count: int) -> None:
        """Grow after an answer with `count` entities, unless it was too small to prove anything."""
        if count >= self.value:
            self.value = min(LARGEST, self.value + STEP)

    def failed(self, count: int, trouble: Retry) -> None:
        """Shrink below what failed: half of it, so that pages that fail together shrink the size once.

        Being asked to slow down is no such trouble, since smaller pages would mean more calls; and a failure of
        very few is not about their number.
        """
        if count > SMALLEST and trouble.reason != "http_429":
            self.value = min(self.value, max(SMALLEST, count // 2))
