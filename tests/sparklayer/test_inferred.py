"""Deductions about SparkLayer are in one file, and elsewhere only in the places listed in docs/mapping.md."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOME = "daemon/sparklayer/inferred.py"
PACKAGES = ("sparklayer", "listener", "engine", "connections", "admin")
OURS = ("daemon/*.py", *(f"daemon/{name}/**/*.py" for name in PACKAGES))
"""Files whose inferences can only be about SparkLayer; platforms mark inferences about their own APIs."""

SAID = re.compile(r"(?<![`.])\binferred\b(?!`| import)")
"""The word `inferred`, except as the module's name."""


def listed() -> set[str]:
    """Return the files in the page's table of other places."""
    section = (ROOT / "docs/mapping.md").read_text("utf-8").partition("\n## What is not certain\n")[2]
    return set(re.findall(r"^\| `(daemon/[^`]+)` \|", section, re.MULTILINE))


def test_the_page_names_every_other_place() -> None:
    found = {path.relative_to(ROOT).as_posix() for glob in OURS for path in ROOT.glob(glob) if _says(path)}
    assert found - {HOME} == {path for path in listed() if not path.startswith("daemon/platforms/")}


def test_every_place_that_the_page_names_is_marked() -> None:
    assert listed()
    assert [path for path in sorted(listed()) if not _says(ROOT / path)] == []


def _says(path: Path) -> bool:
    return SAID.search(path.read_text("utf-8")) is not None
