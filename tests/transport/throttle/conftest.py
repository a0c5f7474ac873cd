"""Trio's scheduler, drawn from a seed."""

import pytest
import trio

SEED = 1


@pytest.fixture
def in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have tasks that may run at the same time run in an order that is the same each time."""
    monkeypatch.setattr(trio._core._run, "_ALLOW_DETERMINISTIC_SCHEDULING", True)
    trio._core._run._r.seed(SEED)
