"""No name in the code is one that `docs/glossary.md` has retired; no docstring begins with a question word."""

import ast
import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = [path for folder in ("daemon", "tests", "benchmarks") for path in sorted((ROOT / folder).rglob("*.py"))]

EXCEPTIONS: Mapping[str, str] = {
    "line": "a line of an order, of a file, or of what is printed",
    "lines": "the same",
    "open": "Python's word for files and databases",
    "opened": "the same",
    "print": "Python's builtin",
    "again": "a fault that happens again",
}
"""Names that the glossary would retire, and the other meaning in which they stay."""

ONLY_IN_TESTS = {"House", "Street", "Row", "Weather", "Post", "Mains", "Witness"}

QUESTION = re.compile(r"\s*(What|Whether|Who|Where)\b")


def folder_of(path: Path) -> Path:
    """Return the folder at the second level that a file is in, or its folder at the top."""
    parts = path.relative_to(ROOT).parts
    return ROOT.joinpath(*parts[: min(2, len(parts) - 1)])


FOLDERS = sorted({folder_of(path) for path in FILES})


@functools.cache
def retired() -> frozenset[str]:
    page = (ROOT / "docs" / "glossary.md").read_text("utf-8")
    table = page[page.index("## Retired names") :]
    rows = re.findall(r"^\| (`.*?) \| .* \|$", table, re.MULTILINE)
    return frozenset(name for row in rows for name in re.findall(r"`(\w+)`", row)) - EXCEPTIONS.keys()


def breaches(path: Path) -> Iterator[str]:
    """Yield a file's retired names, also of parameters and log fields, and docstrings that begin as questions do."""
    words = retired() - (set() if path.is_relative_to(ROOT / "tests") else ONLY_IN_TESTS)
    if path.stem in words:
        yield f"{path.stem} names a file"
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef() if node.name.lstrip("_") in words:
                yield f"{node.name} in line {node.lineno}"
            case ast.arg(arg=name) if name.lstrip("_") in words:
                yield f"{name} in line {node.lineno}"
            case ast.Call(func=ast.Attribute(value=ast.Name(id="log")), keywords=keywords):
                fields = [keyword.arg for keyword in keywords if keyword.arg and keyword.arg.lstrip("_") in words]
                yield from (f"{name} in line {node.lineno}" for name in fields)
            case ast.Expr(value=ast.Constant(value=str(text))) if QUESTION.match(text):
                yield f"{text} in line {node.lineno}"


def test_no_two_classes_share_a_name() -> None:
    """Platforms and the sandbox are left out: they have the same parts as each other, and their APIs' own names."""
    places: dict[str, list[str]] = {}
    for path in FILES:
        parts = path.relative_to(ROOT).parts
        is_core = parts[0] == "daemon" and parts[1] != "sandbox" and (parts[1] != "platforms" or len(parts) == 3)
        if is_core:
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.ClassDef):
                    places.setdefault(node.name, []).append("/".join(parts))
    assert len(places) > 400
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_no_name_is_retired_and_no_docstring_begins_with_a_question_word(folder: Path) -> None:
    found = {str(path.relative_to(ROOT)): [*breaches(path)] for path in FILES if folder_of(path) == folder}
    assert found
    assert {path: words for path, words in found.items() if words} == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def f(wire): pass", ["wire in line 1"]),
        ("class Shelf: pass", ["Shelf in line 1"]),
        ('log.info("x", wire=1)', ["wire in line 1"]),
        ('def f():\n    """Where it is."""', ["Where it is. in line 2"]),
        ("wire = 1", []),
    ],
)
def test_a_breach_is_found(tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "module.py"
    path.write_text(text, "utf-8")
    assert [*breaches(path)] == words
