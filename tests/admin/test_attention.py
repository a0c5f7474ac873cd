"""The words about what a person should look at: each cause of a block has its way out."""

import ast
from collections.abc import Iterator
from pathlib import Path

import daemon
from daemon.admin.attention import OTHER, REMEDIES, remedy
from daemon.errors import Side


def reasons() -> Iterator[str]:
    """Yield the reasons of every `Blocked` that the code makes, except where it passes on that of another."""
    for path in Path(daemon.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        constants = {
            target.id: node.value.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        }
        for call in ast.walk(tree):
            if not isinstance(call, ast.Call) or not {word.arg for word in call.keywords} >= {"reason", "side"}:
                continue
            [value] = [word.value for word in call.keywords if word.arg == "reason"]
            if isinstance(value, ast.Constant):
                yield str(value.value)
            elif isinstance(value, ast.Name) and value.id in constants:
                yield str(constants[value.id])


def test_every_cause_of_a_block_has_its_way_out_and_none_is_left_over() -> None:
    assert set(reasons()) == REMEDIES.keys()


def test_the_way_out_names_the_side_and_an_unknown_reason_is_shown() -> None:
    for side, name in ((Side.PLATFORM, "The store"), (Side.SPARKLAYER, "SparkLayer")):
        assert str(remedy(f"{side.value}: credentials")).startswith(f"{name} refuses the credentials.")
        assert remedy(f"{side.value}: new") == OTHER.format(side=name, reason="new")
    assert remedy(None) is None
