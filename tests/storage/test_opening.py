"""Opening a database: what a person must change is told in one line, and what passes is trouble."""

# ruff: noqa: ASYNC240  small files

import errno
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import DatabaseError

from daemon.errors import ConfigError, StorageTrouble
from daemon.storage import lock
from daemon.storage.backup import SIDECARS
from daemon.storage.database import open_database
from daemon.storage.sqlite import check_writable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ignite-sync.db"


def _one_line(error: pytest.ExceptionInfo[ConfigError]) -> str:
    words = str(error.value)
    assert "\n" not in words
    return words


async def _open(path: Path) -> None:
    async with open_database(path):
        pytest.fail("it was opened")


async def test_a_file_that_is_no_database(path: Path) -> None:
    path.write_bytes(b"this is a letter to my grandmother" * 100)
    with pytest.raises(ConfigError) as error:
        await _open(path)
    assert str(path) in _one_line(error)
    assert path.read_bytes().startswith(b"this is a letter"), "it was left alone"


@pytest.mark.parametrize(
    ("name", "raised"),
    [
        *((name, StorageTrouble) for name in ("BUSY", "LOCKED", "FULL", "IOERR", "NOMEM", "PROTOCOL", "CANTOPEN")),
        *((name, ConfigError) for name in ("CORRUPT", "NOTADB", "READONLY", "PERM")),
    ],
)
@pytest.mark.parametrize("moment", ["damage", "upgrade", "opening"])
async def test_only_what_a_person_must_change_is_bad_configuration(
    path: Path, monkeypatch: pytest.MonkeyPatch, name: str, raised: type[Exception], moment: str
) -> None:
    error = (sqlite3.DatabaseError if name in {"CORRUPT", "NOTADB"} else sqlite3.OperationalError)(f"is {name}")
    error.sqlite_errorcode = getattr(sqlite3, f"SQLITE_{name}")

    connect = sqlite3.connect

    def fail(*args: Any, **how: Any) -> Any:
        if moment != "opening":
            raise DatabaseError("SELECT 1", None, error)
        if args == (path,):
            raise error
        return connect(*args, **how)

    monkeypatch.setattr("sqlite3.connect" if moment == "opening" else f"daemon.storage.sqlite.{moment}", fail)
    with pytest.raises(raised, match=f"is {name}") as caught:
        await _open(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EMFILE, errno.EDQUOT, errno.ESTALE, errno.ENOLCK])
@pytest.mark.parametrize("call", ["pathlib.Path.open", "fcntl.flock", "tempfile.TemporaryFile"])
async def test_the_systems_passing_trouble_is_no_bad_configuration(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int, call: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(lock, "LOCK_SECONDS", 0.0)
    monkeypatch.setattr(call, fail)
    with pytest.raises(StorageTrouble, match=os.strerror(number)):
        check_writable(path) if call == "tempfile.TemporaryFile" else await _open(path)


async def test_a_database_of_a_newer_release(path: Path) -> None:
    async with open_database(path):
        pass
    with sqlite3.connect(path) as other:
        other.execute("UPDATE alembic_version SET version_num = '9999'")
    other.close()
    with pytest.raises(ConfigError) as error:
        await _open(path)
    assert "newer release" in _one_line(error)


async def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        await _open(tmp_path / "nowhere" / "a.db")
    assert "choose a folder" in _one_line(error)


async def test_a_folder_where_the_database_should_be(path: Path) -> None:
    path.mkdir()
    with pytest.raises(ConfigError) as error:
        await _open(path)
    assert str(path) in _one_line(error)


async def test_checking_accepts_a_database_and_leaves_nothing_behind(path: Path, tmp_path: Path) -> None:
    check_writable(path)
    assert list(tmp_path.iterdir()) == []
    async with open_database(path):
        check_writable(path)
    for good in (b"", path.read_bytes()):
        path.write_bytes(good)
        check_writable(path)
        assert path.read_bytes() == good


@pytest.mark.parametrize("sidecar", SIDECARS[1:])
def test_files_beside_an_empty_database_do_not_make_it_another_file(path: Path, sidecar: str) -> None:
    """A program that holds it, or a crash in its first moment, leaves them: that passes, and no person must act."""
    path.touch()
    path.with_name(path.name + sidecar).write_bytes(b"no header of a database")
    check_writable(path)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("/proc/a.db", "choose a folder this user can write to"),  # Not even root can write there.
        ("nowhere/a.db", "there is no folder"),
        ("folder", "Is a directory; "),
        ("letter", "is no database; "),
    ],
)
def test_checking_names_the_reason_and_the_remedy(tmp_path: Path, bad: str, words: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "letter").write_text("Dear grandmother", "utf-8")
    with pytest.raises(ConfigError, match=words) as error:
        check_writable(tmp_path / bad)
    assert str(tmp_path / bad) in _one_line(error)
