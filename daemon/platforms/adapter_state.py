"""Entries that an adapter keeps on disk: facts that its platform offers only in lists, but that are needed by id.

An entry is a short text about an *owner*, such as a product, under a *name*. A section has the entries of one type of
owner. Ids are the only personal data allowed here.

A list is read into a section page by page, with a new *scan id*. At the end, entries with an older scan id were not in
the list and may be gone from the platform. Entries written meanwhile get the newest scan id, so they stay. Entries
outlive restarts; a lost section is merely empty.

`MemoryAdapterState` serves single commands and tests; the daemon keeps its state in the database.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from attrs import define, field, frozen


@frozen
class Entry:
    """A short text about `owner`, under `name`."""

    owner: str
    name: str
    text: str


class AdapterState(Protocol):
    """The entries of one connection. Every method may raise StorageTrouble."""

    async def put(self, section: str, entries: Sequence[Entry], scan_id: int) -> None:
        """Write entries with `scan_id`, or the section's newest scan id if larger; existing ones are replaced."""
        ...

    async def replace(self, section: str, owner: str, entries: Sequence[Entry], scan_id: int) -> None:
        """Replace all entries of `owner`."""
        ...

    async def look_up(self, section: str, owners: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """Return the texts of `owners` by owner and name; owners without entries are left out."""
        ...

    async def next_owner(self, section: str, after: str) -> str | None:
        """Return the first owner after `after`, in text order; None if there is none."""
        ...

    async def forget(self, section: str, owners: Sequence[str]) -> None:
        """Delete all entries of `owners`."""
        ...

    async def older(self, section: str, scan_id: int, most: int) -> Sequence[str]:
        """Return at most `most` owners with an entry older than `scan_id`, oldest first."""
        ...

    async def newest_scan_id(self, section: str) -> int:
        """Return the newest scan id of the section; 0 if it is empty."""
        ...


@define
class MemoryAdapterState:
    """Entries in memory, lost when the process ends. The methods are those of `AdapterState`."""

    _entries: dict[tuple[str, str, str], tuple[str, int]] = field(factory=dict)

    async def put(self, section: str, entries: Sequence[Entry], scan_id: int) -> None:
        """Write entries."""
        newest = max(scan_id, await self.newest_scan_id(section))
        self._entries.update(((section, entry.owner, entry.name), (entry.text, newest)) for entry in entries)

    async def replace(self, section: str, owner: str, entries: Sequence[Entry], scan_id: int) -> None:
        """Replace all entries of an owner."""
        await self.forget(section, [owner])
        await self.put(section, entries, scan_id)

    async def look_up(self, section: str, owners: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """Return texts by owner and name."""
        found: dict[str, dict[str, str]] = {}
        for (_, owner, name), (text, _) in self._of(section):
            if owner in owners:
                found.setdefault(owner, {})[name] = text
        return found

    async def next_owner(self, section: str, after: str) -> str | None:
        """Return the next owner."""
        return min((owner for (_, owner, _), _ in self._of(section) if owner > after), default=None)

    async def forget(self, section: str, owners: Sequence[str]) -> None:
        """Delete entries."""
        for key, _ in self._of(section):
            if key[1] in owners:
                del self._entries[key]

    async def older(self, section: str, scan_id: int, most: int) -> Sequence[str]:
        """Return owners of old entries."""
        found = sorted((written, owner) for (_, owner, _), (_, written) in self._of(section) if written < scan_id)
        return list(dict.fromkeys(owner for _, owner in found))[:most]

    async def newest_scan_id(self, section: str) -> int:
        """Return the newest scan id."""
        return max((scan_id for _, (_, scan_id) in self._of(section)), default=0)

    def _of(self, section: str) -> Iterable[tuple[tuple[str, str, str], tuple[str, int]]]:
        return [(key, value) for key, value in self._entries.items() if key[0] == section]
