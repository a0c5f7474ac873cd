"""The machines of `make prove` that drive the real process open it as the tests of `tests/e2e` do."""

from tests.e2e.conftest import harness, in_the_foreground

__all__ = ["harness", "in_the_foreground"]
