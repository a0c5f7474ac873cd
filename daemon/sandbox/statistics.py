"""Counts what a stand-in was asked: calls by route, answers by route and status, and how many at the same time.

Benchmarks and tests read it to prove how few calls the daemon makes and that its limits on concurrency hold.
"""

import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import trio
from attrs import define, field

WINDOW_SECONDS = 30.0
"""Calls are also counted per window of this length, as BigCommerce does (bigcommerce.md section 10)."""


@define
class Statistics:
    """Counters since the start or the last `reset`."""

    calls: Counter[str] = field(factory=Counter)
    answers: Counter[str] = field(factory=Counter)
    windows: Counter[int] = field(factory=Counter)
    in_flight: int = 0
    most_in_flight: int = 0

    @property
    def total(self) -> int:
        """Number of calls."""
        return self.calls.total()

    @contextlib.contextmanager
    def call(self, route: str) -> Iterator[None]:
        """Count one call of `route`, which lasts as long as the block."""
        self.calls[route] += 1
        self.windows[int(trio.current_time() / WINDOW_SECONDS)] += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            yield
        finally:
            self.in_flight -= 1

    def reset(self) -> None:
        """Start counting anew."""
        self.calls.clear()
        self.answers.clear()
        self.windows.clear()
        self.most_in_flight = self.in_flight

    def as_json(self) -> dict[str, Any]:
        """Return the counters for `GET /_sandbox/statistics`."""
        return {
            "total": self.total,
            "calls": dict(self.calls),
            "answers": dict(self.answers),
            "windows": list(self.windows.values()),
            "in_flight": self.in_flight,
            "most_in_flight": self.most_in_flight,
        }
