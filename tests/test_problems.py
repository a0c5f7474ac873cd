"""What a merchant must fix has a heading that reads like one, and words without gaps."""

import string

import pytest

from daemon import problems
from daemon.model import Problem
from daemon.problems import Trouble


@pytest.mark.parametrize(
    ("problem", "title"),
    [
        (Trouble.SKU_USED_TWICE.problem(sku="A"), "SKU used twice"),
        (problems.refused("Too long."), "Refused by SparkLayer"),
        (Trouble.EMAIL_MISSING.problem(platform="BigCommerce"), "E-mail missing"),
        (Trouble.WEIGHT_UNUSABLE.problem(platform="BigCommerce", variant="The product", sku="A"), "Weight unusable"),
    ],
)
def test_a_code_is_worded_as_a_heading(problem: Problem, title: str) -> None:
    assert problems.title(problem.code) == title


@pytest.mark.parametrize("trouble", Trouble)
def test_every_trouble_says_what_to_do(trouble: Trouble) -> None:
    what, remedy = trouble.value
    names = {name for part in (what, remedy) for _, name, _, _ in string.Formatter().parse(part) if name}
    message = trouble.problem(**dict.fromkeys(names, "X")).message
    assert message.endswith(".") or trouble is Trouble.REFUSED_BY_SPARKLAYER
    assert remedy or trouble is Trouble.REFUSED_BY_SPARKLAYER
