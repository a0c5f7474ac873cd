"""Entries that an adapter keeps on disk: facts that its platform tells only in lists, and that must be known by id.

Some also tell after a restart whether an answer can be believed. An entry is a short text about an *owner*, such as a
product, under a *name*; a section has the entries of one sort of owner. Nothing about persons belongs here but ids.

A list is read into a section with a new *scan id*, page by page. When it is through, entries of an older scan id were
not in the list, and may be gone from the platform. Entries written meanwhile get the newest scan id, so they are not
among those. Entries outlive restarts; a lost section is only empty.

`MemoryAdapterState` is the same for a single command, and for tests; the daemon's own is in the database.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from attrs import define, field, frozen


@frozen
class Entry:
    """What is noted about `owner` under `name`."""

    owner: str
    name: str
    text: str


class AdapterState(Protocol):
    """The entries of one connection. Every method may raise StorageTrouble."""

    async def put(self, section: str, entries: Sequence[Entry], scan_id: int) -> None:
        """Write entries with `scan_id`, or the section's newest if that is newer; an existing one is replaced."""
        ...

    async def replace(self, section: str, owner: str, entries: Sequence[Entry], scan_id: int) -> None:
        """Write notes of `owner` in place of all that it has."""
        ...

    async def look_up(self, section: str, owners: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """Return the texts of those of `owners` that have notes, by owner and name."""
        ...

    async def next_owner(self, section: str, after: str) -> str | None:
        """Return the first owner behind `after` in the order of text; None when there is none."""
        ...

    async def forget(self, section: str, owners: Sequence[str]) -> None:
        """Take away all notes of `owners`."""
        ...

    async def older(self, section: str, scan_id: int, most: int) -> Sequence[str]:
        """Return `most` owners, those of the oldest epochs first, that have a note of an epoch before `scan_id`."""
        ...

    async def newest_scan_id(self, section: str) -> int:
        """Return the newest scan id that any note of the section has; 0 when it is empty."""
        ...


@define
class MemoryAdapterState:
    """Entries that are gone with the process."""

    _entries: dict[tuple[str, str, str], tuple[str, int]] = field(factory=dict)

    async def put(self, section: str, entries: Sequence[Entry], scan_id: int) -> None:
        """Write entries; see `AdapterState`."""
        newest = max(scan_id, await self.newest_scan_id(section))
        self._entries.update(((section, entry.owner, entry.name), (entry.text, newest)) for entry in entries)

    async def replace(self, section: str, owner: str, entries: Sequence[Entry], scan_id: int) -> None:
        """Write all entries of an owner; see `AdapterState`."""
        await self.forget(section, [owner])
        await self.put(section, entries, scan_id)

    async def look_up(self, section: str, owners: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """Return entries by owner; see `AdapterState`."""
        found: dict[str, dict[str, str]] = {}
        for (_, owner, name), (text, _) in self._of(section):
            if owner in owners:
                found.setdefault(owner, {})[name] = text
        return found

    async def next_owner(self, section: str, after: str) -> str | None:
        """Return the owner that follows; see `AdapterState`."""
        return min((owner for (_, owner, _), _ in self._of(section) if owner > after), default=None)

    async def forget(self, section: str, owners: Sequence[str]) -> None:
        """Delete entries; see `AdapterState`."""
        for key, _ in self._of(section):
            if key[1] in owners:
                del self._entries[key]

    async def older(self, section: str, scan_id: int, most: int) -> Sequence[str]:
        """Return owners of old entries; see `AdapterState`."""
        found = sorted((written, owner) for (_, owner, _), (_, written) in self._of(section) if written < scan_id)
        return list(dict.fromkeys(owner for _, owner in found))[:most]

    async def newest_scan_id(self, section: str) -> int:
        """Return the newest scan id; see `AdapterState`."""
        return max((scan_id for _, (_, scan_id) in self._of(section)), default=0)

    def _of(self, section: str) -> Iterable[tuple[tuple[str, str, str], tuple[str, int]]]:
        return [(key, value) for key, value in self._entries.items() if key[0] == section]
