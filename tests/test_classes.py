"""Every class of wrong behaviour has a test that keeps it out."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import frozen

from tests.classes import CLASSES, held, table

HERE = Path(__file__).parent


def marks() -> Iterator[str]:
    for file in HERE.rglob("test_*.py"):
        for names in re.findall(r"mark\.holds\(([^)]*)\)", file.read_text("utf-8")):
            yield from re.findall(r'"([^"]+)"', names)


def test_every_class_is_held_and_every_mark_names_a_class() -> None:
    assert set(marks()) == set(CLASSES)


@frozen
class Item:
    nodeid: str
    classes: tuple[str, ...]

    def iter_markers(self, name: str) -> list[pytest.Mark]:
        return [getattr(pytest.mark, name)(*self.classes).mark]


def test_the_table_has_the_tests_of_each_class_once() -> None:
    items = [Item("a.py::x[1]", ("A1", "A2")), Item("a.py::x[2]", ("A1",)), Item("b.py::y", ("A1",))]
    tests = held(items)  # type: ignore[arg-type]
    assert tests == {"A1": ["a.py::x", "b.py::y"], "A2": ["a.py::x"]}
    assert f"| A1 | {CLASSES['A1']} | `a.py::x`<br>`b.py::y` |" in table(tests)
