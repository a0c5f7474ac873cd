"""The issues of a site: narrowed down, and as a file that a spreadsheet opens without running anything of it."""

import csv
import io
from typing import Any

import pytest

from daemon.listener.page.issue_list import as_csv, file_name
from daemon.model.operators import Operator
from tests.listener.page.browser import BEN, Reader, open_page
from tests.listener.page.test_page import PAGE


def issue(id_: str, kind: str = "products", name: str = "Mug", **problems: str) -> dict[str, Any]:
    listed = [{"code": code, "message": message} for code, message in problems.items()]
    url = "https://shop.test/" + id_
    return {"site": "test/a", "kind": kind, "id": id_, "name": name, "url": url, "since": 0.0, "problems": listed}


ISSUES = [
    issue("1", no_sku="Mug has no SKU.", no_price="Mug has no price."),
    issue("2", "customers", "Ann Ltd", no_address="Ann Ltd has no address."),
]


async def listed(params: dict[str, Any], _operator: Operator) -> Any:
    assert params == {"site": "test/a"}
    return {"issues": ISSUES}


def rows(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))


async def test_issues_are_narrowed_down_on_the_page_and_in_the_file() -> None:
    async with open_page(instead={("GET", "/admin/issues"): listed}) as page:
        browser = await page.operator(BEN)
        everything = await browser.get(PAGE)
        assert "Issues (2)" in Reader(everything.text).shown()
        for query, shown, number in (
            ("", ("1", "2"), 3),
            ("?kind=products", ("1",), 2),
            ("?code=no_address", ("2",), 1),
            ("?kind=products&code=no_address", (), 0),
        ):
            text = (await browser.get(f"{PAGE}{query}")).text
            assert {id_ for id_ in "12" if f"https://shop.test/{id_}" in text} == set(shown), query
            answer = await browser.get(f"{PAGE}/issues.csv{query}")
            assert (answer.status_code, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8")
            assert answer.headers["content-disposition"] == 'attachment; filename="issues-test-a.csv"'
            assert len(rows(answer.content)) == 1 + number, query
        assert (await page.browser().get(f"{PAGE}/issues.csv")).status_code == 303


def test_a_file_has_a_row_for_each_problem() -> None:
    assert rows(as_csv(ISSUES))[:2] == [
        ["site", "kind", "id", "name", "since", "code", "problem", "link"],
        [
            "test/a",
            "products",
            "1",
            "Mug",
            "1970-01-01T00:00:00+00:00",
            "no_sku",
            "Mug has no SKU.",
            "https://shop.test/1",
        ],
    ]


@pytest.mark.parametrize(
    "name",
    [
        *("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\r=1", "\n=cmd|' /C calc'!A0", "|x", "%x"),
        *("\uff1d1+1", "\uff0b1", "\uff0d1", "\uff20SUM(A1)"),  # full-width = + - @
    ],
)
def test_no_cell_is_a_formula(name: str) -> None:
    odd = issue(name, name=name, code=name) | {"url": "javascript:alert(1)"}
    _, row = rows(as_csv([odd]))
    assert row[2:4] == [f"'{name}", f"'{name}"]
    assert (row[6], row[7]) == (f"'{name}", "")


def test_texts_with_quotes_commas_and_lines_stay_in_their_cells() -> None:
    name = 'Mug, "blue"\nand round; ünï'
    _, row = rows(as_csv([issue("1", name=name, a="b")]))
    assert (len(row), row[3]) == (8, name)


def test_the_name_of_a_file_is_plain() -> None:
    assert file_name('live/"; x=\r\ny') == "issues-live----x---y.csv"
