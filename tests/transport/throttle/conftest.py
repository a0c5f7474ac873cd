"""Seeds trio's scheduler."""

import pytest
import trio

SEED = 1


@pytest.fixture
def in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make tasks that are ready at the same time run in a reproducible order."""
    monkeypatch.setattr(trio._core._run, "_ALLOW_DETERMINISTIC_SCHEDULING", True)
    trio._core._run._r.seed(SEED)
