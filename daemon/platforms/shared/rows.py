"""Rows of a platform's lists, decoded one by one: a row with an unexpected shape stays alone.

It becomes `Unreadable`, and the other rows are still read. Text with invalid Unicode loses only its bad characters: see
`decode`. Pure.

Fields of undocumented types are read as far as their meaning is clear: see `Shape`. A text that is exactly a number is
read as that number where a number is documented, and a number as its decimal text where a text is. A null, also one
printed as `{}`, is read as None where that is allowed. An invalid amount is read as NaN, which mapping refuses. Any
other such field is reported by its path, and the entity becomes `Odd` and is not used, because mapping the rest might
remove data from SparkLayer.
"""

import contextlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Generic, TypeVar

import msgspec
from attrs import field, frozen
from msgspec import Raw, Struct, inspect
from msgspec.json import Decoder

from daemon.errors import Retry
from daemon.platforms.shared.amounts import NO_NUMBER, decimal_number, whole_number

T = TypeVar("T")

MISCOUNTED = "page_miscounted"
UNEXPECTED = "unexpected_shape"
OUT_OF_FILTER = "out_of_filter"
"""Reason of an answer that contradicts the filter of its request."""


class _Stub(Struct, frozen=True):
    id: int


@frozen
class Unreadable:
    """An entity with an unexpected shape; `why` names the field, never its content."""

    id: int
    why: str
    reason: str = UNEXPECTED


@frozen
class Odd:
    """An entity with fields of undocumented types: their paths, and the rest of the entity."""

    id: int
    fields: tuple[str, ...]
    rest: Any


_STUB = Decoder(_Stub, strict=False)
_ANY = Decoder(Any)

ERROR_WORDS = frozenset({"message", "error", "errors", "detail"})
"""Members of errors. No entity of a platform has a member with one of these names."""

_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""An escape in a JSON text: a pair of surrogates, half of one, or the start of any other."""


def decode(body: bytes | Raw, decoder: Decoder[T]) -> T:
    """Decode a JSON text; half of a character, in bytes or as an escape, is read as U+FFFD.

    Stores cut long names in the middle of a character, and msgspec then refuses the whole text. Raises ValidationError
    for another shape, DecodeError for invalid JSON, and RecursionError; never UnicodeDecodeError.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError):
        return decoder.decode(_mended(bytes(body)))


def _mended(body: bytes) -> bytes:
    """Return `body` with each half of a character replaced, and nothing else changed."""
    whole = body.decode("utf-8", "replace").encode()
    return _ESCAPE.sub(lambda escape: rb"\ufffd" if escape["lone"] else escape[0], whole)


def read_row(raw: Raw, decoder: Decoder[T]) -> T | Unreadable:
    """Decode one entity. Raises Retry if its id cannot be read."""
    try:
        return decode(raw, decoder)
    except msgspec.DecodeError as error:
        return Unreadable(read_id(raw), str(error))


def readable(raws: Iterable[Raw], decoder: Decoder[T]) -> list[T]:
    """Return the rows that can be decoded."""
    found = []
    for raw in raws:
        with contextlib.suppress(msgspec.DecodeError):
            found.append(decode(raw, decoder))
    return found


def with_ids(raws: Sequence[Raw]) -> list[Raw]:
    """Return the rows of a list that have an id. Raises Retry for several rows without any id, and for an error.

    A row without an id belongs to no entity and must not stop the others. An omission from a list proves nothing, so
    dropping the row is safe. But gateways send an error as the only row of a list, and the list would be empty.
    """
    found = []
    for raw in raws:
        with contextlib.suppress(Retry):
            read_id(raw)
            found.append(raw)
    if raws and not found and (len(raws) > 1 or _is_error(raws[0])):
        raise Retry(f"The platform lists {len(raws)} rows without ids", reason=UNEXPECTED)
    return found


def _is_error(raw: Raw) -> bool:
    try:
        row = decode(raw, _ANY)
    except msgspec.DecodeError:
        return True
    return not isinstance(row, dict) or not row.keys().isdisjoint(ERROR_WORDS)


def read_id(raw: Raw) -> int:
    """Return the id of an entity. Raises Retry if it has none."""
    try:
        return decode(raw, _STUB).id
    except msgspec.DecodeError as error:
        raise Retry(f"The platform lists a row without an id: {error}", reason=UNEXPECTED) from None


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
