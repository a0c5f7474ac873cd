"""Records of the shops: a table of fields with their defaults instead of code for each.

    @record("id label", option_id=0)
    class OptionValue(Record):
        ...

Fields without a default come first and must be given. A record is a msgspec struct, so it is encoded field by field
as it stands, and `msgspec.structs.replace` makes a changed copy.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct, defstruct


class Record(Struct):
    """The base of all records."""

    if TYPE_CHECKING:

        def __init__(self, *_values: Any, **_fields: Any) -> None: ...
        def __getattr__(self, _name: str) -> Any: ...
        def __setattr__(self, _name: str, _value: Any) -> None: ...


_LAYOUT = frozenset(vars(Record))
"""Names that a struct class defines itself."""

R = TypeVar("R", bound=Record)


def record(needed: str, **defaults: Any) -> Callable[[type[R]], type[R]]:
    """Give a class the fields named in `needed`, and those that have `defaults`."""
    fields: list[Any] = [
        *((name, Any) for name in needed.split()),
        *((name, Any, value) for name, value in defaults.items()),
    ]

    def made(cls: type[R]) -> type[R]:
        own = {name: value for name, value in vars(cls).items() if name == "__doc__" or name not in _LAYOUT}
        struct: type[R] = defstruct(  # type: ignore[assignment]
            cls.__name__, fields, bases=(Record,), namespace=own
        )
        return struct

    return made
