"""Backups are complete and overwrite nothing, and a damaged database is recognized."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daemon.errors import ConfigError, StorageTrouble
from daemon.storage.backup import back_up, lend, receive
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
    """Make an open database with rows that are only in its log."""
    path = tmp_path / "ignite-sync.db"
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT)")
    database.execute("BEGIN")
    database.executemany("INSERT INTO things (name) VALUES (?)", [("x" * 500,)] * ROWS)
    database.execute("COMMIT")
    yield path
    database.close()


def test_a_backup_has_what_was_committed_and_is_one_file(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "backup.db"
    assert back_up(source, target) == target.stat().st_size > ROWS * 500
    assert target.stat().st_mode & 0o077 == 0, "only this user may read it"
    assert sorted(path.name for path in tmp_path.glob("backup*")) == ["backup.db"]
    assert _rows(target) == ROWS


def test_a_backup_made_beside_a_writer_is_the_state_after_a_commit(source: Path, tmp_path: Path) -> None:
    """Each commit adds two rows, so a copy of half a commit would have an odd number."""
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
        for number in range(5):
            back_up(source, tmp_path / f"backup-{number}.db")
            counts.append(_rows(tmp_path / f"backup-{number}.db"))
    finally:
        over.set()
        writer.join()
    assert [count % 2 for count in counts] == [0] * 5
    assert counts == sorted(counts)
    assert counts[-1] > ROWS


def _made(source: Path, target: Path) -> int:
    return back_up(source, target)


def _received(source: Path, target: Path) -> int:
    with lend(source) as copy:
        return receive(iter(lambda: copy.read(4096), b""), target)


WAYS = pytest.mark.parametrize("make", [_made, _received])
Make = Callable[[Path, Path], int]


@WAYS
@pytest.mark.parametrize("what", ["file", "folder", "dangling link", "link", "the database itself"])
def test_nothing_is_overwritten(source: Path, tmp_path: Path, what: str, make: Make) -> None:
    target = tmp_path / "backup.db"
    elsewhere = tmp_path / "elsewhere"
    match what:
        case "file":
            target.write_text("an earlier one", "utf-8")
        case "folder":
            target.mkdir()
        case "dangling link":
            target.symlink_to(elsewhere)
        case "link":
            elsewhere.write_text("an earlier one", "utf-8")
            target.symlink_to(elsewhere)
        case _:
            target = source
    before = target.lstat(), elsewhere.exists() and elsewhere.read_bytes()
    with pytest.raises(ConfigError, match="is there already, and nothing is overwritten; name a file") as error:
        make(source, target)
    assert "\n" not in str(error.value)
    assert (target.lstat().st_ino, elsewhere.exists() and elsewhere.read_bytes()) == (before[0].st_ino, before[1])
    assert not list(tmp_path.glob("*.partial*"))
    assert _rows(source) == ROWS


def test_what_a_daemon_hands_out_is_private_whole_and_leaves_nothing_beside_the_database(
    source: Path, tmp_path: Path
) -> None:
    target = tmp_path / "elsewhere" / "backup.db"
    target.parent.mkdir()
    before = sorted(tmp_path.iterdir())
    assert _received(source, target) == target.stat().st_size
    assert target.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in target.parent.iterdir()] == ["backup.db"]
    assert sorted(tmp_path.iterdir()) == before
    assert _rows(target) == ROWS


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.999])
def test_half_a_backup_is_none(source: Path, tmp_path: Path, share: float) -> None:
    with lend(source) as copy:
        whole = copy.read()
    target = tmp_path / "backup.db"
    if share:
        with pytest.raises(StorageTrouble, match=r"what arrived is damaged .*; there is no new backup"):
            receive([whole[: int(len(whole) * share)]], target)

    def broken() -> Iterator[bytes]:
        yield whole[: int(len(whole) * share)]
        raise StorageTrouble("the daemon is gone", reason="x")

    with pytest.raises(StorageTrouble, match="the daemon is gone"):
        receive(broken(), target)
    assert not list(tmp_path.glob("backup*"))


def test_backups_made_at_the_same_time_are_each_whole(source: Path, tmp_path: Path) -> None:
    """Of several backups with one name the first succeeds, and the others report a conflict."""
    target = tmp_path / "backup.db"
    ends: list[object] = []

    def make() -> None:
        try:
            ends.append(back_up(source, target))
        except ConfigError as error:
            ends.append(error)

    makers = [threading.Thread(target=make) for _ in range(5)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert _rows(target) == ROWS
    assert [end for end in ends if isinstance(end, int)] == [target.stat().st_size]
    assert len([end for end in ends if "is there already" in str(end)]) == len(makers) - 1
    assert sorted(path.name for path in tmp_path.glob("backup*")) == ["backup.db"]


def _spoil(path: Path) -> None:
    """Overwrite a page in the middle."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 // 4096 * 4096)
        file.write(b"\xa5" * 4096)


@WAYS
def test_of_a_damaged_database_there_is_no_backup(source: Path, tmp_path: Path, make: Make) -> None:
    spoiled = tmp_path / "spoiled.db"
    back_up(source, spoiled)
    _spoil(spoiled)
    with pytest.raises(StorageTrouble, match="no new backup"):
        make(spoiled, tmp_path / "backup.db")
    assert not list(tmp_path.glob("backup*"))
    assert not list(tmp_path.glob("*.partial*"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere/backup.db", "No such file or directory; choose a folder"),
        ("ignite-sync.db/backup.db", "Not a directory; choose a folder"),
    ],
)
def test_a_place_that_cannot_be_used_is_told_in_one_line(source: Path, tmp_path: Path, name: str, words: str) -> None:
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


async def test_a_start_on_any_damaged_page_names_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "ignite-sync.db"
    await _open(path)
    whole = path.read_bytes()
    for page in range(0, len(whole), 4096):
        path.write_bytes(whole[:page] + b"\xa5" * 4096 + whole[page + 4096 :])
        with pytest.raises(ConfigError, match="the next start reads everything again") as error:
            await _open(path)
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)
    path.write_bytes(whole)
    await _open(path)
