"""Reads entities with fields of undocumented types, as far as their meaning is clear. Pure.

A text that is exactly a number is read as that number where a number is documented, and a number as its decimal text
where a text is. A null, also one printed as `{}`, is read as None where that is allowed. An invalid amount is read as
NaN, which mapping refuses. Any other such field is reported by its path and the entity is not used, because mapping the
rest might remove data from SparkLayer.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Generic, TypeVar

import msgspec
from attrs import field, frozen
from msgspec import Raw, inspect
from msgspec.json import Decoder

from daemon.platforms.shared.amounts import NO_NUMBER, decimal_number, whole_number
from daemon.platforms.shared.rows import Odd, Unreadable, decode, read_row

T = TypeVar("T")

_LONGEST = 40
"""Digits of a number that is written as text."""
_WORD = 2**63
_FLAGS = {"true": True, "false": False}
_NOT = object()
"""Marks a value that does not fit a type."""


def _number(text: str) -> Decimal:
    """Read a number of JSON, exactly."""
    try:
        return Decimal(text)
    except InvalidOperation:  # its exponent is beyond all bounds
        return NO_NUMBER


_LOOSE = Decoder(dict[str, Any], float_hook=_number)


@frozen
class Rows(Generic[T]):
    """Rows of an entity, with the paths of their odd and missing fields."""

    found: list[T] = field(factory=list)
    odd: list[str] = field(factory=list)
    missing: list[str] = field(factory=list)

    def fault(self, owner: int, rest: Any) -> Unreadable | Odd | None:
        """Return the substitute for the entity with these rows; None if all were readable."""
        if self.missing:
            return Unreadable(owner, f"there is no {self.missing[0]}")
        return Odd(owner, tuple(self.odd), rest) if self.odd else None


class Shape(Generic[T]):
    """The documented type of an entity."""

    def __init__(self, kind: type[T], *, strict: bool = True) -> None:
        self._decoder = Decoder(kind, strict=strict)
        self._type = inspect.type_info(kind)

    def read(self, raw: Raw) -> T | Unreadable | Odd:
        """Decode one entity. Raises Retry if its id cannot be read."""
        unreadable = read_row(raw, self._decoder)
        if not isinstance(unreadable, Unreadable):
            return unreadable
        try:
            content = decode(raw, _LOOSE)
        except msgspec.DecodeError:
            return unreadable
        notes = Rows[T]()
        found: T = _read(content, self._type, "", notes)
        if notes.missing:
            return unreadable
        return Odd(unreadable.id, tuple(notes.odd), found) if notes.odd else found

    def rows(self, raws: Iterable[Raw], where: str) -> Rows[T]:
        """Decode a list of one entity; `where` is its name in field paths. Rows need no id."""
        rows = Rows[T]()
        for place, raw in enumerate(raws):
            try:
                content = decode(raw, _LOOSE)
            except msgspec.DecodeError:
                rows.odd.append(f"{where}[{place}]")
                continue
            rows.found.append(_read(content, self._type, f"{where}[{place}]", rows))
        return rows


def _read(value: Any, kind: inspect.Type, path: str, notes: Rows[Any]) -> Any:
    options = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    for option in options:
        found = _as(value, option, path, notes)
        if found is not _NOT:
            return found
    if value == {} and any(isinstance(option, inspect.NoneType) for option in options):
        return None
    if any(isinstance(option, inspect.DecimalType) for option in options):
        return NO_NUMBER
    notes.odd.append(path)
    return None


def _as(value: Any, kind: inspect.Type, path: str, notes: Rows[Any]) -> Any:
    """Return a value converted to a type, or _NOT."""
    if isinstance(kind, inspect.StructType):
        fits = isinstance(value, dict) and (kind.fields or not value)
        return _struct(value, kind, path, notes) if fits else _NOT
    if isinstance(kind, inspect.ListType):
        fits = isinstance(value, list) and len(value) >= (kind.min_length or 0)
        return [_read(item, kind.item_type, f"{path}[{n}]", notes) for n, item in enumerate(value)] if fits else _NOT
    leaf = _LEAVES.get(type(kind))
    return leaf(value) if leaf else _NOT


def _struct(value: dict[str, Any], kind: inspect.StructType, path: str, notes: Rows[Any]) -> Any:
    parts = {}
    for part in kind.fields:
        where = f"{path}.{part.encode_name}" if path else part.encode_name
        if part.encode_name in value:
            parts[part.name] = _read(value[part.encode_name], part.type, where, notes)
        elif part.required:
            notes.missing.append(where)
            parts[part.name] = None
    return kind.cls(**parts)


def _flag(value: Any) -> Any:
    if isinstance(value, str):
        return _FLAGS.get(value, _NOT)
    return value if isinstance(value, bool) else _NOT


def _text(value: Any) -> Any:
    """Return text as it is, and a number as text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return _NOT
    number = Decimal(value)
    return f"{number:f}" if number.is_finite() and abs(number.adjusted()) < _LONGEST else _NOT


def _integer(value: Any) -> Any:
    """Return a whole number that fits into a machine word."""
    if isinstance(value, str):
        return _of_text(value, whole_number)
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not abs(Decimal(value)) < _WORD:
        return _NOT
    return int(value) if value == int(value) else _NOT


def _decimal(value: Any) -> Any:
    if isinstance(value, str):
        return _of_text(value, decimal_number)
    return Decimal(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else _NOT


def _of_text(text: str, read: Callable[[str], Any]) -> Any:
    try:
        return read(text)
    except ValueError:
        return _NOT


_LEAVES: Mapping[type[inspect.Type], Callable[[Any], Any]] = {
    inspect.AnyType: lambda value: value,
    inspect.NoneType: lambda value: None if value is None else _NOT,
    inspect.StrType: _text,
    inspect.BoolType: _flag,
    inspect.IntType: _integer,
    inspect.DecimalType: _decimal,
}
