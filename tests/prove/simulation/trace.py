"""Record of a run, line by line, and one hash of it all: equal hashes, equal runs."""

import hashlib
from collections import deque
from collections.abc import Callable

from attrs import define, field

REMEMBERED = 300


@define(eq=False)
class Trace:
    """The lines of a run; the last of them are kept to be looked at. `sink` gets each as it comes."""

    now: Callable[[], float]
    sink: Callable[[str], None] | None = None
    lines: int = 0
    last: deque[str] = field(factory=lambda: deque[str](maxlen=REMEMBERED))
    _hash: "hashlib._Hash" = field(factory=hashlib.sha256)

    def add(self, *words: object) -> None:
        """Note that something happened now."""
        context = f"{self.now():12.4f} {' '.join(map(str, words))}"
        self.lines += 1
        self.last.append(context)
        self._hash.update(context.encode())
        if self.sink is not None:
            self.sink(context)

    @property
    def trace_hash(self) -> str:
        """The hash of all lines so far."""
        return self._hash.hexdigest()[:16]
