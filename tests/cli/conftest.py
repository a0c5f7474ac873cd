"""Commands run in an empty folder, without settings in the environment."""

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("IGNITE_SYNC_") or name in {"PORT", "DATABASE_URL"}]:
        monkeypatch.delenv(name)
