"""The number of entities to ask for in one call.

A product may have hundreds of variants, and platforms do not limit the size of an answer. So a full page can overload a
store, which then answers 5xx or nothing; a long list of ids can be more than its server accepts. A failure halves the
size and each success increases it a little, for full syncs and live reads alike. So it settles just below the store's
capacity.
"""

from daemon.errors import Retry

SMALLEST = 10
STEP = 25

OF_ROWS = frozenset({"php_error", "php_warning", "not_json", "truncated", "timeout"})
"""Reasons of failures, besides HTTP statuses from 500, that one row may cause in each list that has it."""


class PageSize:
    """The present page size of one store and kind; starts with the largest."""

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self.value = largest

    def succeeded(self, count: int) -> None:
        """Grow after an answer with `count` entities, unless it was smaller than the present size."""
        if count >= self.value:
            self.value = min(self._largest, self.value + STEP)

    def blames_a_row(self, trouble: Retry) -> bool:
        """Return True for a failure that may be due to one row, and that no smaller page avoids."""
        return self.value <= SMALLEST and (trouble.reason.startswith("http_5") or trouble.reason in OF_ROWS)

    def failed(self, count: int, trouble: Retry) -> None:
        """Shrink to half of the size that failed, so that concurrent failures shrink it only once.

        A 429 does not count, because smaller pages would mean more calls. Neither does a failure of very few
        entities, because their number is not the cause.
        """
        if count > SMALLEST and trouble.reason != "http_429":
            self.value = min(self.value, max(SMALLEST, count // 2))
