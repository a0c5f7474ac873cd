"""The throttle's machine has the scheduler's order of `tests/transport/throttle`."""

from tests.transport.throttle.conftest import in_order

__all__ = ["in_order"]
