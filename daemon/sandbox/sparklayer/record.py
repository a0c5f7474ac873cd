"""A record of the site as the API writes it, and the owners of words that are unique in the site."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from daemon.sandbox.sparklayer.problems import Detail, problem


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
