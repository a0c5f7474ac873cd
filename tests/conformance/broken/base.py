"""Adapters that break one promise each, in front of a real one: what the suite must catch.

Each class is what somebody in a hurry would write. It is put in front of the adapter, or of the reader of webhooks if
it is a `BrokenReader`.
"""

from typing import Any


class Broken:
    """Does as the real one does, but for what a subclass overrides."""

    def __init__(self, real: Any) -> None:
        self.real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


class BrokenReader(Broken):
    """The same, of the reader of webhooks."""
