"""The histories run as the engine's tests do: without tracebacks on the terminal."""

from tests.engine.conftest import _quiet

__all__ = ["_quiet"]
