"""`each` calls a test with every member, and the failure names the one."""

import pytest

from tests.each import each

PRODUCT = [("a", 1), ("b", 2)]
seen: list[tuple[str, int, str]] = []


@each(("name", "number"), PRODUCT)
@each("case", {"one": "x", "two": "y"})
@pytest.mark.parametrize("kept", [True])
def several(name: str, number: int, case: str, *, kept: bool) -> None:
    assert kept
    seen.append((name, number, case))
    assert (name, case) != ("b", "y")


@each("number", [1, 2])
async def test_with_trio(number: int) -> None:
    assert number


def test_every_member_comes_until_one_fails_and_the_failure_names_it() -> None:
    seen.clear()
    with pytest.raises(AssertionError) as failure:
        several(kept=True)
    assert seen == [("a", 1, "x"), ("a", 1, "y"), ("b", 2, "x"), ("b", 2, "y")]
    assert failure.value.__notes__ == ["with case = 'two'", "with name, number = ('b', 2)"]


def test_marks_and_the_other_arguments_stay() -> None:
    assert [mark.name for mark in several.pytestmark] == ["parametrize"]  # type: ignore[attr-defined]


async def test_a_test_with_trio_is_awaited() -> None:
    @each("number", [1, 2])
    async def one(number: int) -> None:
        assert number == 1

    with pytest.raises(AssertionError) as failure:
        await one()
    assert failure.value.__notes__ == ["with number = 2"]
