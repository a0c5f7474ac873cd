"""What was deduced of SparkLayer stands in one file, and elsewhere only where the README says so."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
HOME = "daemon/sparklayer/inferred.py"
OURS = ("daemon/*.py", "daemon/sparklayer/*.py", "daemon/listener/*.py", "daemon/engine/**/*.py")
"""Where an inference can only be one of SparkLayer; platforms have theirs, which are marked too."""

SAID = re.compile(r"(?<![`.])\binferred\b(?!`| import)")
"""The word, where it does not name the module."""


def listed() -> set[str]:
    """Return the files that the README's table of other places names."""
    section = (ROOT / "README.md").read_text("utf-8").partition("### What is not certain")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `(daemon/[^`]+)` \|", section, re.MULTILINE))


def test_the_readme_names_every_other_place() -> None:
    found = {path.relative_to(ROOT).as_posix() for glob in OURS for path in ROOT.glob(glob) if _says(path)}
    assert found - {HOME} == {path for path in listed() if not path.startswith("daemon/platforms/")}


def test_every_place_that_the_readme_names_is_marked() -> None:
    assert listed()
    assert [path for path in sorted(listed()) if not _says(ROOT / path)] == []


def test_no_path_that_was_inferred_is_spelt_elsewhere() -> None:
    """Paths are inferred where the contract says so of every operation; their last words are looked for."""
    contract = yaml.safe_load((ROOT / "tests/contracts/sparklayer.openapi.yaml").read_text("utf-8"))
    words = {f"/{_last_word(path)}" for path, item in contract["paths"].items() if _inferred(item)}
    assert words >= {"/addresses", "/customers"}
    texts = {path: path.read_text("utf-8") for path in ROOT.glob("daemon/sparklayer/*.py") if path != ROOT / HOME}
    assert [(path.name, word) for path, text in texts.items() for word in words if word in text] == []


def _inferred(item: Mapping[str, Any]) -> bool:
    operations = [operation for name, operation in item.items() if name != "parameters"]
    return all(operation.get("x-inferred") or operation.get("x-path-inferred") for operation in operations)


def _last_word(path: str) -> str:
    return [word for word in path.split("/") if not word.startswith("{")][-1]


def _says(path: Path) -> bool:
    return SAID.search(path.read_text("utf-8")) is not None
