"""A file of settings in its blocks, and the error of loading one."""

from pathlib import Path

import pytest

from daemon.config import load
from daemon.errors import ConfigError
from daemon.platforms import load_platforms

PLATFORMS = load_platforms()
# The three blocks of a minimal file.
SECURITY, CONNECTION, STORE = (Path(__file__).parent / "whole.toml").read_text("utf-8").split("\n\n")
SECURITY, CONNECTION, STORE = f"{SECURITY}\n", f"\n{CONNECTION}\n", f"\n{STORE}"
WHOLE = SECURITY + CONNECTION + STORE


def line(text: str = WHOLE, environ: dict[str, str] | None = None, path: str = "s.toml") -> str:
    """Return the one line with which loading fails."""
    if path == "s.toml":
        Path(path).write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        load(Path(path) if path else None, environ or {}, PLATFORMS)
    assert "\n" not in str(caught.value)
    assert "hidden" not in str(caught.value)
    return str(caught.value)
