"""The catalogue of issues is complete: each entry has its parts, is raised for the named kinds, and is tested."""

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
from tests.each import each

ROOT = Path(__file__).parents[1]


@each(
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
@each(
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
@each("issue_type", IssueType)
def test_the_text_of_an_issue_is_bounded_however_long_what_it_quotes_is(issue_type: IssueType) -> None:
    texts = (issue_type.value.message, issue_type.value.remedy)
    names = {name for part in texts for _, name, _, _ in string.Formatter().parse(part) if name}
    every = [
        issue_type.issue(**dict.fromkeys(names, f"{'x' * number}, (id {number})")) for number in range(0, 100_000, 500)
    ]
    text = " ".join(issue.message for issue in issues.bounded(every))
    assert len(text) < issues.MOST_CHARACTERS + 200
    assert "(id 1000)" in text or not names, "the end of what is quoted stays"
    assert "more problems of this kind" in text


PARTS = {"when", "message", "remedy", "at"}


@each("issue_type", IssueType)
def test_every_issue_has_all_parts(issue_type: IssueType) -> None:
    parts = attrs.asdict(issue_type.value)
    assert {name for name, part in parts.items() if part} == PARTS
    assert issue_type.value.remedy.endswith(".")
    assert not issue_type.value.when.endswith("."), "it is a clause, behind the words 'found when'"
    texts = (issue_type.value.message, issue_type.value.remedy)
    names = {name for part in texts for _, name, _, _ in string.Formatter().parse(part) if name}
    assert issue_type.issue(**dict.fromkeys(names, "X")).message.endswith(".")


KINDS = {
    "products": Kind.PRODUCTS,
    "customers": Kind.CUSTOMERS,
    "orders": Kind.ORDERS,
    "products.py": Kind.PRODUCTS,
    "customers.py": Kind.CUSTOMERS,
    "orders.py": Kind.ORDERS,
    "store.py": Kind.STORE,
    "adapter.py": Kind.STORE,
}
"""The kind of the entities that a part of the daemon works on; the other parts work on all kinds."""

DECLARED_IN = {"issues.py", "platforms/shared/mapping.py"}
RAISED_BY = {"refused": IssueType.REFUSED_BY_SPARKLAYER, "unread": IssueType.FIELD_UNREADABLE}
"""The issues that a function raises for the module that imports it."""


def raised() -> dict[IssueType, set[Kind]]:
    """Return the kinds of entity for which the daemon raises each issue."""
    kinds: dict[IssueType, set[Kind]] = collections.defaultdict(set)
    for path in (ROOT / "daemon").rglob("*.py"):
        for issue_type in _named(path):
            kinds[issue_type] |= {KINDS[part] for part in path.relative_to(ROOT).parts if part in KINDS} or set(Kind)
    return kinds


def _named(path: Path) -> set[IssueType]:
    """Return the issues that a module raises: `IssueType.NAME`, or those of `RAISED_BY`."""
    if "sandbox" in path.parts or path.relative_to(ROOT / "daemon").as_posix() in DECLARED_IN:
        return set()
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    ours = {one.name for node in nodes if isinstance(node, ast.ImportFrom) and _is_ours(node) for one in node.names}
    used = {node.attr for node in nodes if isinstance(node, ast.Attribute) and _is_issue_type(node.value)}
    issue_types = {IssueType[name] for name in used} if "IssueType" in ours else set()
    return issue_types | {issue_type for name, issue_type in RAISED_BY.items() if name in ours}


def _is_ours(node: ast.ImportFrom) -> bool:
    return node.module in {"daemon.issues", "daemon.platforms.shared.mapping"}


def _is_issue_type(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "IssueType"


def test_every_issue_is_raised_for_the_kinds_that_it_names() -> None:
    assert raised() == {issue_type: set(issue_type.value.at) for issue_type in IssueType}


@each("issue_type", IssueType)
def test_every_issue_is_brought_about_by_a_test(issue_type: IssueType) -> None:
    code = re.compile(rf"\b{issue_type.name}\b", re.IGNORECASE)
    tests = (path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__))
    assert any(code.search(path.read_text("utf-8")) for path in tests)


def test_an_email_address_that_two_customers_have_may_be_of_another_channel() -> None:
    """Customers of several channels may share one: the limit is SparkLayer's, not BigCommerce's."""
    told = IssueType.EMAIL_USED_TWICE.issue()
    assert "another channel" in told.message
    assert "any channel" in told.message
