"""Every operation that the daemon gives to its database is tried in pairs, or there is a reason."""

import ast
import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

import daemon
from daemon.admin.service import ACTIONS
from daemon.storage import dry_run, leases
from tests.databases import new_engine
from tests.prove.interleavings.day import made
from tests.prove.interleavings.operations import EVERY
from tests.prove.interleavings.trial import pairs

DAEMON = Path(daemon.__file__).parent
WRITES = ("write", "apart")

ELSEWHERE: Mapping[Callable[..., Any], str] = {
    leases.pulse: "a beat, by a clock",
    dry_run.put: "into a database of the dry run's own",
}
"""Operations that are in no pair, and the reason."""

HANDED_ON: Mapping[str, str] = {
    "daemon.admin.service: operation": "one of ACTIONS, on parked changes",
    "daemon.cli.offline: fn": "the caller's",
    "daemon.connections.cluster: self.clock": "leases.clock, which writes nothing",
    "daemon.engine.dry_run: fn": "the caller's",
    "daemon.storage.database: fn": "the caller's",
}
"""Operations by a name of their own, and where they come from."""


def _given(tree: ast.Module) -> Iterator[str]:
    """Yield what a module gives to `write` and `apart` of a database, as it is written there."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    others = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and _writes(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for call in calls:
        args = call.args
        if _is_named(call.func, {"partial"}) and args and _writes(args[0]):
            args = args[1:]
        elif not _writes(call.func) and not _is_named(call.func, others):
            continue
        # A file is written to with a value, a web client with a method's name and more.
        is_apart = isinstance(call.func, ast.Attribute) and call.func.attr == "apart"
        if args and isinstance(args[0], ast.Name | ast.Attribute) and (is_apart or len(args) == 2):
            yield ast.unparse(args[0])


def _writes(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in WRITES


def _is_named(node: ast.expr, names: set[str]) -> bool:
    return isinstance(node, ast.Name) and node.id in names


def _operations() -> Iterator[tuple[str, Callable[..., Any] | None]]:
    """Yield each operation that the daemon gives to its database: by module and name, and itself if it is global."""
    for path in sorted(DAEMON.rglob("*.py")):
        module = ".".join(path.relative_to(DAEMON.parent).with_suffix("").parts)
        for name in _given(ast.parse(path.read_text("utf-8"))):
            try:
                found = attrgetter(name)(importlib.import_module(module))
            except AttributeError:
                found = None
            yield f"{module}: {name}", found


def _tried() -> set[Callable[..., Any]]:
    engine = new_engine()
    with engine.begin() as conn:
        day = made(conn)
    engine.dispose()
    return {inspect.unwrap(make(day, 0)[0]) for make in EVERY.values()}


def test_every_operation_of_the_daemon_is_in_a_pair_or_has_a_reason() -> None:
    tried, elsewhere = _tried(), set(map(inspect.unwrap, ELSEWHERE))
    given = dict(_operations())
    assert {name for name, found in given.items() if found is None} == HANDED_ON.keys()
    found = {inspect.unwrap(operation): name for name, operation in given.items() if operation is not None}
    assert sorted(name for operation, name in found.items() if operation not in tried | elsewhere) == []
    assert elsewhere <= found.keys() - tried
    assert {inspect.unwrap(operation) for operation in ACTIONS.values()} <= tried


def test_every_operation_is_in_a_pair() -> None:
    assert {name for names in pairs() for name in names} == EVERY.keys()


@pytest.mark.parametrize(
    "source",
    [
        "await storage.write(settle.settle, call)",
        "await self._database.apart(settle.settle)",
        "partial(self.storage.write, settle.settle, call)",
        "store = context.storage.write\nawait store(settle.settle, call)",
    ],
)
def test_an_operation_is_seen(source: str) -> None:
    assert list(_given(ast.parse(source))) == ["settle.settle"]
