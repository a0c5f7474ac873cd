"""Rows of a platform's lists, decoded one by one: a row with an unexpected shape stays alone.

It becomes `Unreadable`, and the other rows are still read. `Odd` is an entity with fields of undocumented types: see
`daemon.platforms.shared.odd`. Text with invalid Unicode loses only its bad characters: see `decode`.
"""

import contextlib
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from attrs import frozen
from msgspec import Raw, Struct
from msgspec.json import Decoder

from daemon.errors import Retry

T = TypeVar("T")

MISCOUNTED = "page_miscounted"
UNEXPECTED = "unexpected_shape"
OUT_OF_FILTER = "out_of_filter"
"""Reason of an answer that contradicts the filter of its request."""


class Nothing(Struct, frozen=True):
    """A null printed as `{}`."""


Amount = Decimal | Nothing | None
Count = int | Nothing | None


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
