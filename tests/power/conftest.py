"""The house in which the daemon is recorded."""

from tests.e2e.conftest import house

__all__ = ["house"]
