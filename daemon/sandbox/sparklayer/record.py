"""The base of all parts of the site: records as the API writes them, refusals, and the owners of unique words.

Refusals are RFC 7807 with `errors[]`, except bare lines for prices (sparklayer.md sections 0 and 4).
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from attrs import define, field

from daemon.sandbox import record as records
from daemon.sandbox.message import Refused, json

_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    415: "Unsupported Media Type",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
}


@records.record("code message property")
class Detail(records.Record):
    """One entry of `errors[]`; `property` says where, such as `variants[0].sku`."""


@records.record("line field message")
class RefusedLine(records.Record):
    """One refused row of a price write; `line` is its index in the request."""


def problem(status: int, detail: str, errors: Sequence[Detail] = ()) -> Refused:
    """Return a refusal as problem details; `errors` is left out when there is none."""
    body = {"title": _TITLES[status], "status": status, "detail": detail}
    listed = {"errors": list(errors)} if errors else {}
    return Refused(json(body | listed, status, "application/problem+json"))


def invalid(parameter: str, message: str) -> Refused:
    """Return the refusal of one parameter of a URL."""
    return problem(400, f"{parameter}: {message}", [Detail("invalid", message, parameter)])


def lines(refused: Sequence[RefusedLine]) -> Refused:
    """Return the refusal of a price write."""
    return Refused(json(refused, 400))


class Record(dict[str, Any]):
    """One record. A field that it does not have reads as None; how it may look is told by the contract."""

    __slots__ = ()

    if TYPE_CHECKING:

        def __getattr__(self, _name: str) -> Any: ...
        def __setattr__(self, _name: str, _value: Any) -> None: ...
    else:
        __getattr__, __setattr__ = dict.get, dict.__setitem__

    def without(self, *names: str) -> dict[str, Any]:
        """Return the fields but for some."""
        return {name: value for name, value in self.items() if name not in names}


@define(eq=False, kw_only=True)
class Book:
    """The base of a part of the site: how many writes and deletions were carried out, and the bodies written.

    The bodies stand in `journal` by external id, where they are kept.
    """

    keep_journal: bool = False
    writes: int = 0
    removals: int = 0
    journal: dict[str, list[Mapping[str, Any]]] = field(factory=dict, repr=False)
    _last: int = 0

    def new_id(self, prefix: str) -> str:
        """Return an id that the part never gave before."""
        self._last += 1
        return f"{prefix}{self._last}"

    def note(self, key: str, written: Mapping[str, Any]) -> None:
        """Count a write, and keep its body if it shall be."""
        self.writes += 1
        if self.keep_journal:
            self.journal.setdefault(key, []).append(written)


def now() -> str:
    """Return the present moment as the API writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def refuse_prefix(external_id: str | None, prefix: str, place: str) -> None:
    """Raise Refused where an external id, written at `place`, looks like one of the API's own."""
    if external_id is not None and external_id.startswith(prefix):
        words = f"must not begin with {prefix}"
        raise problem(400, f"external_id {words}", [Detail("invalid", words, place)])


class Claims:
    """A draft over an index of {word: owner}; throw it away to change nothing. `status` is that of a refusal."""

    def __init__(self, index: dict[str, str], status: int = 409) -> None:
        self._index, self._status = index, status
        self._draft: dict[str, str | None] = {}

    def owner(self, word: str) -> str | None:
        """Return who has `word` at this moment."""
        return self._draft[word] if word in self._draft else self._index.get(word)

    def move(self, owner: str, old: str | None, new: str | None, place: str) -> None:
        """Let `owner` give up `old` and take `new`, written at `place`. Raises Refused when another has it."""
        if new != old:
            if new is not None and self.owner(new) is not None:
                words = f"{place.rpartition('.')[2]} {new} is already in use"
                raise problem(self._status, words, [Detail("duplicate", words, place)])
            self.release(owner, old)
        if new is not None:
            self._draft[new] = owner

    def release(self, owner: str, word: str | None) -> None:
        """Let `owner` give up `word`."""
        if word is not None and self.owner(word) == owner:
            self._draft[word] = None

    def commit(self) -> None:
        """Make the draft count."""
        for word, owner in self._draft.items():
            if owner is None:
                self._index.pop(word, None)
            else:
                self._index[word] = owner
