"""A disk that loses its power: what of a recorded history would be on it.

What was synced is there. Of the rest any part may be: each write in whole, in part or not at all, cut at the borders
of its sectors, in whatever order; likewise each truncation, and each name given or taken in the folder. That is more
than real disks do, and never less.
"""

import itertools
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from attrs import define, field

from tests.prove.power.trace import Event, FolderSynced, Opened, Removed, Synced, Truncated, Written

SECTORS = (512, 4096)
SHARES = (0.0, 0.1, 0.5, 0.9, 1.0)
"""Share of the unsynced data that survives."""


@define(eq=False)
class Inode:
    """A file's contents: `synced`, and what was done to them since."""

    synced: bytearray = field(factory=bytearray)
    pending: list[Written | Truncated] = field(factory=list)

    def sync(self) -> None:
        """Bring all onto the disk."""
        for change in self.pending:
            carry_out(change, self.synced)
        self.pending.clear()

    def remains(self, chance: random.Random) -> bytes:
        """Return what may be there after a loss of power."""
        size, share = chance.choice(SECTORS), chance.choice(SHARES)
        torn = chance.random() < 0.5
        parts = [part for change in self.pending for part in (_sectors(change, size) if torn else [change])]
        parts = [part for part in parts if chance.random() < share]
        if chance.random() < 0.5:
            chance.shuffle(parts)
        content = bytearray(self.synced)
        for part in parts:
            carry_out(part, content)
        return bytes(content)


@define(eq=False)
class Disk:
    """A folder with its files."""

    _names: dict[str, Inode] = field(factory=dict)
    _synced: dict[str, Inode] = field(factory=dict)
    _pending: list[tuple[str, Inode | None]] = field(factory=list)

    @classmethod
    def of(cls, files: Iterable[Path]) -> Self:
        """Return one that has nothing but these, all synced, as after a start."""
        names = {file.name: Inode(bytearray(file.read_bytes())) for file in files}
        return cls(dict(names), names)

    def apply(self, event: Event) -> None:
        """Let something happen; acknowledgements and the like do not concern a disk."""
        match event:
            case Opened(name) if name not in self._names:  # made by SQLite, or just before it by the daemon
                self._names[name] = Inode()
                self._pending.append((name, self._names[name]))
            case Written(name) | Truncated(name):
                self._names[name].pending.append(event)
            case Synced(name):
                self._names[name].sync()
            case Removed(name):
                del self._names[name]
                self._pending.append((name, None))
            case FolderSynced():
                self._synced = dict(self._names)
                self._pending.clear()

    def lose_power(self, chance: random.Random, folder: Path) -> None:
        """Write into a folder that has none of the files what may be on the disk then."""
        names, share = dict(self._synced), chance.choice(SHARES)
        for name, inode in self._pending:
            if chance.random() >= share:
                continue
            if inode is None:
                names.pop(name, None)
            else:
                names[name] = inode
        for name, inode in names.items():
            (folder / name).write_bytes(inode.remains(chance))


def carry_out(change: Written | Truncated, content: bytearray) -> None:
    """Do to a file's contents what was done."""
    size = change.size if isinstance(change, Truncated) else change.offset
    if isinstance(change, Truncated):
        del content[size:]
    content.extend(bytes(max(0, size - len(content))))
    if isinstance(change, Written):
        content[size : size + len(change.data)] = change.data


def _sectors(change: Written | Truncated, size: int) -> list[Written | Truncated]:
    """Cut a write where sectors of the disk end."""
    if isinstance(change, Truncated):
        return [change]
    start, end = change.offset, change.offset + len(change.data)
    cuts = [start, *range((start // size + 1) * size, end, size), end]
    return [
        Written(change.name, cut, change.data[cut - start : next_cut - start])
        for cut, next_cut in itertools.pairwise(cuts)
    ]
