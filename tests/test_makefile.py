"""The Makefile sets up what a target needs, and no more."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("target", "installed"),
    [("demo", ["requirements.txt"]), ("conformance", ["requirements.txt", "requirements-dev.txt"])],
)
def test_a_target_installs_what_it_needs(target: str, installed: list[str], tmp_path: Path) -> None:
    command = ["make", "-n", target, f"VENV={tmp_path / 'none'}"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    assert [word for word in shown.split() if word.startswith("requirements")] == installed
