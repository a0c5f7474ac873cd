"""Backups: whole, replaced only by a whole one; and a database that is damaged is told from one that is not."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.errors import ConfigError, StorageTrouble
from daemon.storage.backup import back_up
from daemon.storage.database import open_database

ROWS = 2_000


def _rows(path: Path) -> int:
    database = sqlite3.connect(path)
    (count,) = database.execute("SELECT count(*) FROM things").fetchone()
    (words,) = database.execute("PRAGMA integrity_check").fetchone()
    database.close()
    assert words == "ok"
    return int(count)


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Path]:
    """Make a database that somebody has open, with rows that are only in its log."""
    path = tmp_path / "ignite-sync.db"
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT)")
    database.executemany("INSERT INTO things (name) VALUES (?)", [("x" * 500,)] * ROWS)
    yield path
    database.close()


def test_a_backup_has_what_was_committed_and_is_one_file(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "backup.db"
    assert back_up(source, target) == target.stat().st_size > ROWS * 500
    assert target.stat().st_mode & 0o077 == 0, "nobody else may read it"
    assert sorted(path.name for path in tmp_path.glob("backup*")) == ["backup.db"]
    assert _rows(target) == ROWS


def test_a_backup_made_while_somebody_writes_is_the_state_after_some_commit(source: Path, tmp_path: Path) -> None:
    """Each commit adds two rows: a copy of half of one would have an odd number."""
    over = threading.Event()

    def write() -> None:
        database = sqlite3.connect(source, isolation_level=None, timeout=30)
        while not over.is_set():
            with database:
                database.execute("BEGIN IMMEDIATE")
                database.executemany("INSERT INTO things (name) VALUES (?)", [("y" * 5_000,)] * 2)
                database.execute("COMMIT")
        database.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        counts = []
        for _ in range(5):
            back_up(source, tmp_path / "backup.db")
            counts.append(_rows(tmp_path / "backup.db"))
    finally:
        over.set()
        writer.join()
    assert [count % 2 for count in counts] == [0] * 5
    assert counts == sorted(counts)
    assert counts[-1] > ROWS


def test_an_earlier_backup_is_replaced(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "backup.db"
    target.write_text("an earlier one", "utf-8")
    back_up(source, target)
    assert _rows(target) == ROWS
    assert sorted(path.name for path in tmp_path.glob("backup*")) == ["backup.db"]


def test_backups_made_at_the_same_time_are_each_whole(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "backup.db"
    back_up(source, target)
    failures: list[BaseException] = []

    def make() -> None:
        try:
            for _ in range(10):
                back_up(source, target)
        except BaseException as error:  # noqa: BLE001  a thread has nobody else to tell
            failures.append(error)

    makers = [threading.Thread(target=make) for _ in range(3)]
    for maker in makers:
        maker.start()
    while any(maker.is_alive() for maker in makers):
        assert _rows(target) == ROWS
    assert failures == []
    assert sorted(path.name for path in tmp_path.glob("backup*")) == ["backup.db"]


def _spoil(path: Path) -> None:
    """Overwrite a page in the middle."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 // 4096 * 4096)
        file.write(b"\xa5" * 4096)


def test_a_damaged_database_replaces_no_backup(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "backup.db"
    back_up(source, target)
    spoiled = tmp_path / "spoiled.db"
    spoiled.write_bytes(target.read_bytes())
    _spoil(spoiled)
    with pytest.raises(StorageTrouble, match="no new backup"):
        back_up(spoiled, target)
    assert _rows(target) == ROWS
    assert sorted(path.name for path in tmp_path.glob("backup*")) == ["backup.db"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ignite-sync.db", "is the database itself; name another file"),
        ("nowhere/backup.db", "No such file or directory; choose a folder"),
        ("folder", "Is a directory; choose a folder"),
    ],
)
def test_a_place_that_cannot_be_used_is_told_in_one_line(source: Path, tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError, match=words) as error:
        back_up(source, tmp_path / name)
    assert str(tmp_path / name) in str(error.value)
    assert "\n" not in str(error.value)
    assert _rows(source) == ROWS


def test_without_a_database_there_is_nothing_to_back_up(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing to back up"):
        back_up(tmp_path / "none.db", tmp_path / "backup.db")
    assert list(tmp_path.iterdir()) == []


async def _open(path: Path) -> None:
    async with open_database(path):
        pass


async def test_whichever_page_is_damaged_it_is_told_at_the_start_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "ignite-sync.db"
    await _open(path)
    whole = path.read_bytes()
    for page in range(0, len(whole), 4096):
        path.write_bytes(whole[:page] + b"\xa5" * 4096 + whole[page + 4096 :])
        with pytest.raises(ConfigError, match="the next start reads everything anew") as error:
            await _open(path)
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)
    path.write_bytes(whole)
    await _open(path)
