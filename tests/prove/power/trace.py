"""The record of a daemon and its database files: one JSON object a line, in the order of events.

The recorder in the daemon's process and the test beside it append to one file; a line is written by a single call, so
lines never mix. A process that is killed may leave a part of its last one: only data can make a line so long that it
is cut, and what was written and not synced may be lost anyway.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec


class Opened(msgspec.Struct, tag=True):
    """A file was opened; if `created`, it is a new and empty one."""

    name: str
    created: bool


class Written(msgspec.Struct, tag=True):
    """Bytes were written, into the page cache."""

    name: str
    offset: int
    data: bytes


class Truncated(msgspec.Struct, tag=True):
    """A file was cut or grown to a size."""

    name: str
    size: int


class Removed(msgspec.Struct, tag=True):
    """A file's name was taken away."""

    name: str


class Synced(msgspec.Struct, tag=True):
    """All that was done to a file's contents before is on disk."""

    name: str


class FolderSynced(msgspec.Struct, tag=True):
    """All names that were given or taken before are on disk."""


class Acknowledged(msgspec.Struct, tag=True):
    """The daemon answers a webhook 2xx: it has taken responsibility for a version of an entity."""

    external_id: str
    version: int


class Delivered(msgspec.Struct, tag=True):
    """SparkLayer has a version of an entity."""

    external_id: str
    version: int


Event = Opened | Written | Truncated | Removed | Synced | FolderSynced | Acknowledged | Delivered


class Pen:
    """Appends to a trace."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, event: Event) -> None:
        """Append an event."""
        os.write(self._file, b"\n" + msgspec.json.encode(event))

    def close(self) -> None:
        """Close the trace."""
        os.close(self._file)


def read_trace(path: Path) -> Iterator[Event]:
    """Return the events of a trace, the oldest first."""
    decoder = msgspec.json.Decoder(Event)
    with path.open("rb") as lines:
        yield from (decoder.decode(line) for line in lines if line.rstrip().endswith(b"}"))
