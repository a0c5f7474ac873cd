"""Listens in on SQLite's calls to its files, in this process, without a compiler or a tracer.

SQLite reaches files through tables of functions. `listen_in` puts functions of ours into the table of the default VFS
and into that of each database file, WAL and journal which it opens; they call the original and write down what it did,
one after the other. The WAL's index is left alone: it lies in shared memory, is never synced and is made anew.

A folder is synced where SQLite opens it for that, which it does right before it syncs it: after the first sync of a
new journal or WAL, and after a removal that must last.
"""

import _sqlite3
import ctypes
import threading
from collections.abc import Callable
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int64, c_void_p
from pathlib import Path
from typing import Any

from tests.prove.power.trace import FolderSynced, Opened, Pen, Removed, Synced, Truncated, Written

MAIN_DB, MAIN_JOURNAL, WAL = 0x100, 0x800, 0x80000
OK = 0

_Open = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, POINTER(c_int))
_Delete = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)
_Write = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_Truncate = CFUNCTYPE(c_int, c_void_p, c_int64)
_Sync = CFUNCTYPE(c_int, c_void_p, c_int)
_SetCall = CFUNCTYPE(c_int, c_void_p, c_char_p, c_void_p)
_GetCall = CFUNCTYPE(c_void_p, c_void_p, c_char_p)
_OpenFolder = CFUNCTYPE(c_int, c_char_p, POINTER(c_int))


class _Vfs(Structure):
    """`sqlite3_vfs`, version 3."""

    _fields_ = (
        ("version", c_int),
        ("file_size", c_int),
        ("longest_path", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", c_void_p),
        ("delete", c_void_p),
        *((f"unused_{number}", c_void_p) for number in range(11)),
        ("set_system_call", c_void_p),
        ("get_system_call", c_void_p),
        ("next_system_call", c_void_p),
    )


class _Methods(Structure):
    """`sqlite3_io_methods`, version 3."""

    _fields_ = (
        ("version", c_int),
        ("close", c_void_p),
        ("read", c_void_p),
        ("write", c_void_p),
        ("truncate", c_void_p),
        ("sync", c_void_p),
        *((f"unused_{number}", c_void_p) for number in range(13)),
    )


class _File(Structure):
    """`sqlite3_file`."""

    _fields_ = (("methods", POINTER(_Methods)),)


class Shim:
    """The functions of ours; whoever calls `listen_in` keeps it for as long as the process lives."""

    def __init__(self, pen: Pen) -> None:
        self._pen = pen
        self._lock = threading.RLock()
        self._names: dict[int, str] = {}
        self._tables: dict[int, _Methods] = {}
        self._originals: dict[int, _Methods] = {}
        self._folder_opened = False
        self._kept: list[Any] = []
        """Keeps alive the objects that SQLite has pointers to."""

    def listen_in(self) -> None:
        """Take up the places in the default VFS. Raises RuntimeError when this Python hides its SQLite."""
        library = ctypes.CDLL(getattr(_sqlite3, "__file__", None))
        try:
            find = library.sqlite3_vfs_find
        except AttributeError:
            raise RuntimeError(
                "power loss cannot be tried: this Python's SQLite hides its functions; use one with a shared libsqlite3"
            ) from None
        find.restype, find.argtypes = POINTER(_Vfs), (c_char_p,)
        vfs = find(None).contents
        self._open, self._delete = _Open(vfs.open), _Delete(vfs.delete)
        get, put = _GetCall(vfs.get_system_call), _SetCall(vfs.set_system_call)
        self._open_folder = _OpenFolder(get(ctypes.addressof(vfs), b"openDirectory"))
        put(ctypes.addressof(vfs), b"openDirectory", self._placed(_OpenFolder, self._on_open_folder))
        vfs.open = self._placed(_Open, self._on_open)
        vfs.delete = self._placed(_Delete, self._on_delete)

    def _placed(self, kind: Any, function: Callable[..., int]) -> c_void_p:
        made = kind(function)
        self._kept.append(made)
        return ctypes.cast(made, c_void_p)

    def _on_open(self, vfs: int, path: int | None, file: int, flags: int, out: Any) -> int:
        """Open a file. SQLite goes on using the path that it gave, so the original gets the very pointer."""
        if path is None or not flags & (MAIN_DB | MAIN_JOURNAL | WAL):
            return int(self._open(vfs, path, file, flags, out))
        where = Path(ctypes.string_at(path).decode())
        with self._lock:
            created = not where.exists()
            code = int(self._open(vfs, path, file, flags, out))
            if code == OK:
                self._pen.write(Opened(where.name, created))
                self._names[file] = where.name
                self._take_up(_File.from_address(file))
            return code

    def _take_up(self, file: _File) -> None:
        """Give a file a table with functions of ours in it."""
        address = ctypes.addressof(file.methods.contents)
        if address not in self._tables:
            original = _Methods.from_address(address)
            ours = _Methods.from_buffer_copy(original)
            ours.write = self._placed(_Write, self._on_write(_Write(original.write)))
            ours.truncate = self._placed(_Truncate, self._on_truncate(_Truncate(original.truncate)))
            ours.sync = self._placed(_Sync, self._on_sync(_Sync(original.sync)))
            self._tables[address] = ours
        file.methods = ctypes.pointer(self._tables[address])

    def _on_write(self, original: Callable[..., int]) -> Callable[..., int]:
        def write(file: int, data: int, size: int, offset: int) -> int:
            with self._lock:
                code = original(file, data, size, offset)
                if code == OK:
                    self._pen.write(Written(self._names[file], offset, ctypes.string_at(data, size)))
                return code

        return write

    def _on_truncate(self, original: Callable[..., int]) -> Callable[..., int]:
        def truncate(file: int, size: int) -> int:
            with self._lock:
                code = original(file, size)
                if code == OK:
                    self._pen.write(Truncated(self._names[file], size))
                return code

        return truncate

    def _on_sync(self, original: Callable[..., int]) -> Callable[..., int]:
        def sync(file: int, flags: int) -> int:
            with self._lock:  # what is written meanwhile is not known to be synced
                self._folder_opened = False
                code = original(file, flags)
                if code == OK:
                    self._pen.write(Synced(self._names[file]))
                self._note_folder()
                return code

        return sync

    def _on_delete(self, vfs: int, path: bytes, sync_folder: int) -> int:
        with self._lock:
            self._folder_opened = False
            code = int(self._delete(vfs, path, sync_folder))
            if code == OK:
                self._pen.write(Removed(Path(path.decode()).name))
            self._note_folder()
            return code

    def _on_open_folder(self, path: bytes, out: Any) -> int:
        self._folder_opened = True
        return int(self._open_folder(path, out))

    def _note_folder(self) -> None:
        if self._folder_opened:
            self._pen.write(FolderSynced())
