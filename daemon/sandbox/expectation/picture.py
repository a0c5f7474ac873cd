"""Plain data of both sides, and what of it differs."""

from collections.abc import Mapping
from typing import Any

Picture = dict[str, Any]


def compared(what: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Return one line for each key whose values differ; a value that is a picture itself is told by its keys."""
    lines = []
    for key in sorted({*wanted, *found}):
        ours, theirs = wanted.get(key), found.get(key)
        if isinstance(ours, dict) and isinstance(theirs, dict):
            lines += compared(f"{what} {key}", ours, theirs)
        elif ours != theirs:
            lines.append(f"{what} {key}: the store says {ours}, SparkLayer {theirs}")
    return lines
