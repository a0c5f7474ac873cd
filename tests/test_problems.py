"""What a merchant must fix has a heading that reads like one."""

import pytest

from daemon import problems
from daemon.model import Problem, Sku
from daemon.platforms.bigcommerce.problems import Trouble


@pytest.mark.parametrize(
    ("problem", "title"),
    [
        (problems.sku_used_twice(Sku("A")), "SKU used twice"),
        (problems.refused("Too long."), "Refused by SparkLayer"),
        (Trouble.VARIANT_WITHOUT_SKU.problem(variant="The product"), "Variant without SKU"),
        (Trouble.WEIGHT_UNUSABLE.problem(variant="The product", sku="A"), "Weight unusable"),
    ],
)
def test_a_code_is_worded_as_a_heading(problem: Problem, title: str) -> None:
    assert problems.title(problem.code) == title


def test_a_code_means_one_thing_only() -> None:
    assert problems.sku_used_twice(Sku("A")).code not in {trouble.name.lower() for trouble in Trouble}
