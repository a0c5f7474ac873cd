"""Owners of words that are unique in the site, with changes that only count once they are committed."""

from daemon.sandbox.sparklayer.problems import Detail, problem


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
