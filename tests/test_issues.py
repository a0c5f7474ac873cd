"""The catalogue of what a merchant must fix is whole: each entry has its parts, is raised where it says, and tested."""

import ast
import collections
import re
import string
from pathlib import Path

import attrs
import pytest

from daemon import issues
from daemon.entities import Issue
from daemon.issues import IssueType
from daemon.model import Kind

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("issue", "title"),
    [
        (IssueType.SKU_USED_TWICE.issue(sku="A"), "SKU used twice"),
        (issues.refused("Too long."), "Refused by SparkLayer"),
        (IssueType.EMAIL_MISSING.issue(platform="BigCommerce"), "E-mail missing"),
        (IssueType.WEIGHT_UNUSABLE.issue(platform="BigCommerce", variant="The product", sku="A"), "Weight unusable"),
    ],
)
def test_a_code_is_worded_as_a_heading(issue: Issue, title: str) -> None:
    assert issues.title(issue.code) == title


@pytest.mark.holds("D8")
@pytest.mark.parametrize(
    ("codes", "listed", "more"),
    [
        ({}, {}, {}),
        ({"a": 10}, {"a": 10}, {}),
        ({"a": 11}, {"a": 10}, {"a": 1}),
        ({"a": 600, "b": 1}, {"a": 10, "b": 1}, {"a": 590}),
        ({"a": 600, "b": 600}, {"a": 10, "b": 10}, {"a": 590, "b": 590}),
        ({str(code): 1 for code in range(60)}, {str(code): 1 for code in range(60)}, {}),
    ],
)
def test_an_issue_lists_ten_problems_of_a_code_and_says_how_many_more_there_are(
    codes: dict[str, int], listed: dict[str, int], more: dict[str, int]
) -> None:
    every = [Issue(code=code, message=f"{code}, {number}.") for code, size in codes.items() for number in range(size)]
    told = issues.bounded(every)
    kept = [issue for issue in told if issue in every]
    assert kept == [issue for issue in every if issue in kept], "in their order"
    assert collections.Counter(issue.code for issue in kept) == listed
    rest = {issue.code: issue.message for issue in told[len(kept) :]}
    assert rest.keys() == more.keys()
    assert all(words.startswith(f"{more[code]} more problem") for code, words in rest.items())


@pytest.mark.holds("D8")
@pytest.mark.parametrize("trouble", IssueType)
def test_the_text_of_an_issue_is_bounded_however_long_what_it_quotes_is(trouble: IssueType) -> None:
    texts = (trouble.value.message, trouble.value.remedy)
    names = {name for part in texts for _, name, _, _ in string.Formatter().parse(part) if name}
    every = [
        trouble.issue(**dict.fromkeys(names, f"{'x' * number}, (id {number})")) for number in range(0, 100_000, 500)
    ]
    text = " ".join(issue.message for issue in issues.bounded(every))
    assert len(text) < issues.MOST_CHARACTERS + 200
    assert "(id 1000)" in text or not names, "the end of what is quoted stays"
    assert "more problems of this kind" in text


PARTS = {"when", "message", "remedy", "at"}


@pytest.mark.parametrize("trouble", IssueType)
def test_every_trouble_has_all_parts(trouble: IssueType) -> None:
    parts = attrs.asdict(trouble.value)
    assert {name for name, part in parts.items() if part} == PARTS
    assert trouble.value.remedy.endswith(".")
    assert not trouble.value.when.endswith("."), "it is a clause, behind the words 'found when'"
    texts = (trouble.value.message, trouble.value.remedy)
    names = {name for part in texts for _, name, _, _ in string.Formatter().parse(part) if name}
    assert trouble.issue(**dict.fromkeys(names, "X")).message.endswith(".")


KINDS = {
    "products": Kind.PRODUCTS,
    "customers": Kind.CUSTOMERS,
    "orders": Kind.ORDERS,
    "orders.py": Kind.ORDERS,
    "store.py": Kind.STORE,
}
"""The kind of the entities that a part of the daemon works on."""

OF_EVERY_KIND = {"daemon/engine/pipeline.py", "daemon/engine/writers/writer.py"}


def raised() -> dict[IssueType, set[Kind]]:
    """Return where the daemon raises each trouble: of which kinds of entity."""
    found: dict[IssueType, set[Kind]] = {}
    for path in (ROOT / "daemon").rglob("*.py"):
        for trouble in _named(path):
            where = path.relative_to(ROOT)
            kinds = (
                Kind if where.as_posix() in OF_EVERY_KIND else [KINDS[part] for part in where.parts if part in KINDS]
            )
            found.setdefault(trouble, set()).update(kinds)
    return found


def _named(path: Path) -> set[IssueType]:
    """Return what a module raises: `IssueType.NAME`, or what `refused` makes of SparkLayer's words."""
    if "sandbox" in path.parts or path.name == "issues.py":
        return set()
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    ours = {one.name for node in nodes if isinstance(node, ast.ImportFrom) and _is_ours(node) for one in node.names}
    used = {node.attr for node in nodes if isinstance(node, ast.Attribute) and _is_trouble(node.value)}
    troubles = {IssueType[name] for name in used} if "IssueType" in ours else set()
    return troubles | ({IssueType.REFUSED_BY_SPARKLAYER} if "refused" in ours else set())


def _is_ours(node: ast.ImportFrom) -> bool:
    return node.module == "daemon.issues"


def _is_trouble(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "IssueType"


def test_every_trouble_is_raised_of_the_entities_that_it_says() -> None:
    assert raised() == {trouble: set(trouble.value.at) for trouble in IssueType}


@pytest.mark.parametrize("trouble", IssueType)
def test_every_trouble_is_brought_about_by_a_test(trouble: IssueType) -> None:
    code = re.compile(rf"\b{trouble.name}\b", re.IGNORECASE)
    tests = (path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__))
    assert any(code.search(path.read_text("utf-8")) for path in tests)


def test_an_email_address_that_two_customers_have_may_be_of_another_channel() -> None:
    """In stores of several channels each may have it: SparkLayer's limit, not BigCommerce's."""
    told = IssueType.EMAIL_USED_TWICE.issue()
    assert "another channel" in told.message
    assert "any channel" in told.message
