"""Who owns a word that must be unique in the site, with changes that only count once they are committed."""

from msgspec import UNSET, UnsetType


class Claims:
    """A draft over an index of {word: owner}; throw it away to change nothing."""

    def __init__(self, index: dict[str, str]) -> None:
        self._index = index
        self._draft: dict[str, str | None] = {}

    def owner(self, word: str) -> str | None:
        """Return who has `word` at this moment."""
        return self._draft[word] if word in self._draft else self._index.get(word)

    def move(self, owner: str, old: str | UnsetType, new: str | UnsetType) -> bool:
        """Let `owner` give up `old` and take `new`; False, changing nothing, when another has it."""
        if new != old:
            if new is not UNSET and self.owner(new) is not None:
                return False
            self.release(owner, old)
        if new is not UNSET:
            self._draft[new] = owner
        return True

    def release(self, owner: str, word: str | UnsetType) -> None:
        """Let `owner` give up `word`."""
        if word is not UNSET and self.owner(word) == owner:
            self._draft[word] = None

    def commit(self) -> None:
        """Make the draft count."""
        for word, owner in self._draft.items():
            if owner is None:
                self._index.pop(word, None)
            else:
                self._index[word] = owner
