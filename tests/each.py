"""Goes through many small members in one test, as a test of its own for each takes longer than what it compares.

    @each("status", [400, 404])                     # or a mapping, whose names stand in the failure
    @each(("path", "value"), [("a", 1), ("b", 2)])
    def test_something(status: int, path: str, value: int) -> None: ...

The first failure ends the test and names its member. For tests without fixtures that a member could change.
"""

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

Test = Callable[..., Any]


def each(names: str | tuple[str, ...], members: Iterable[Any]) -> Callable[[Test], Test]:
    """Return a decorator that calls a test with each of `members`; there must be one at least."""
    named = list(members.items()) if isinstance(members, Mapping) else [(member, member) for member in members]
    assert named
    keys = (names,) if isinstance(names, str) else names

    def arguments() -> Iterator[tuple[Any, dict[str, Any]]]:
        for name, member in named:
            yield name, dict(zip(keys, (member,) if isinstance(names, str) else member, strict=True))

    def decorated(test: Test) -> Test:
        @functools.wraps(test)
        def run(**fixtures: Any) -> None:
            for name, member in arguments():
                with _naming(keys, name):
                    test(**fixtures, **member)

        @functools.wraps(test)
        async def run_async(**fixtures: Any) -> None:
            for name, member in arguments():
                with _naming(keys, name):
                    await test(**fixtures, **member)

        chosen: Any = run_async if inspect.iscoroutinefunction(test) else run
        signature = inspect.signature(test)
        left = [parameter for key, parameter in signature.parameters.items() if key not in keys]
        chosen.__signature__ = signature.replace(parameters=left)
        result: Test = chosen
        return result

    return decorated


@contextlib.contextmanager
def _naming(keys: tuple[str, ...], name: Any) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        error.add_note(f"with {', '.join(keys)} = {name!r}")
        raise
