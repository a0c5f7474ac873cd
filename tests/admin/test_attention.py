"""The words about what a person should look at: each cause of a block has its way out."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import daemon
from daemon.admin.attention import LATE, OTHER, REMEDIES, UNCHECKED, attention, remedy
from daemon.errors import Side


def reasons() -> Iterator[str]:
    """Yield the reasons of every `Blocked` that the code makes, except where it passes on that of another."""
    trees = [ast.parse(path.read_text("utf-8")) for path in Path(daemon.__file__).parent.rglob("*.py")]
    constants = {
        target.id: node.value.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and target.id.isupper()
    }
    for tree in trees:
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


def of(*, live: float | None = None, backfill: float | None = None, running: bool = False, **others: Any) -> list[str]:
    """Return the reasons of a connection with changes that have waited for so many seconds."""
    oldest = max((age for age in (live, backfill) if age is not None), default=None)
    outbox = {"parked": 0, "oldest_seconds": oldest, "oldest_live_seconds": live}
    run = {"finished_at": None, "succeeded": None} if running else None
    kind = {"outbox": outbox, "full_sync": run, "held_removals": 0, "blocked": others.pop("kind_blocked", None)}
    status: dict[str, Any] = {"state": "active", "throttles": [], "kinds": {"products": kind}}
    return list(attention({**status, **dict.fromkeys(("blocked", "paused_since", "webhooks")), **others}))


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        (of(live=LATE), []),
        (of(live=LATE + 1), ["changes of products are late"]),
        (of(backfill=LATE + 1), ["changes of products are late"]),
        (of(live=LATE + 1, running=True), ["changes of products are late"]),
        # A full sync feeds the outbox faster than it drains, and a fresh live change beside it is not late.
        (of(live=1.0, backfill=LATE + 1, running=True), []),
        (of(live=LATE + 1, blocked="platform: credentials"), ["blocked"]),
        (of(live=LATE + 1, kind_blocked="platform: scope_missing"), ["products blocked"]),
        (of(live=LATE + 1, state="paused", paused_since=1.0), ["paused"]),
        (of(live=LATE + 1, state="leaving"), []),
        (of(state="gone"), []),
        (of(state="gone", in_settings=True), ["disconnected, but in the settings"]),
        (of(webhooks={"registered": 0, "missing": [], "trouble": None}), ["webhooks not registered"]),
        # One check has failed; the next one may succeed.
        (of(webhooks={"registered": 9, "missing": [], "trouble": "503", "unchecked_seconds": UNCHECKED}), []),
        (of(live=LATE + 1, state="not configured"), ["not configured"]),
    ],
)
def test_changes_that_wait_for_too_long_are_late_unless_there_is_a_plainer_reason(
    reasons: list[str], expected: list[str]
) -> None:
    assert reasons == expected
