"""No name in the code is one that `docs/glossary.md` has retired; no docstring begins with a question word."""

import ast
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


def retired() -> set[str]:
    page = (ROOT / "docs" / "glossary.md").read_text("utf-8")
    table = page[page.index("## Retired names") :]
    rows = re.findall(r"^\| (`.*?) \| .* \|$", table, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)} - EXCEPTIONS.keys()


def names(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield the names of classes, functions and parameters, and the fields of log calls."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name, node.lineno
            case ast.arg(arg=name):
                yield name, node.lineno
            case ast.Call(func=ast.Attribute(value=ast.Name(id="log")), keywords=keywords):
                yield from ((keyword.arg, node.lineno) for keyword in keywords if keyword.arg)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_name_is_retired(path: Path) -> None:
    words = retired() - (set() if path.is_relative_to(ROOT / "tests") else ONLY_IN_TESTS)
    assert path.stem not in words
    tree = ast.parse(path.read_text("utf-8"))
    assert [f"{name} in line {number}" for name, number in names(tree) if name.lstrip("_") in words] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_docstring_begins_with_a_question_word(path: Path) -> None:
    begun = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))) if QUESTION.match(text):
                begun.append(f"{text} in line {node.lineno}")
    assert begun == []
