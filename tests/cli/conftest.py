"""Commands run in an empty folder, without settings in the environment."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("IGNITE_SYNC_") or name in {"PORT", "DATABASE_URL"}]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Undo the set-up of logging by commands that run in this process."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
