"""Restoring a backup: it is checked before anything is changed, and SparkLayer is written again."""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import trio

from daemon.errors import ConfigError, StorageTrouble
from daemon.model import Kind, Secret, Site
from daemon.storage import connections, full_syncs
from daemon.storage.backup import back_up
from daemon.storage.connections import Adopt, Begin, Leave
from daemon.storage.database import open_database
from daemon.storage.full_syncs import Start
from daemon.storage.restore import restore
from daemon.storage.states import RunMode
from daemon.storage.vault import Vault, load_fingerprint

VAULT = Vault([Secret("a key of many characters")])
NOW = 1_700_000_000.0
STAMP = "20231114-221320"


async def _daemon_was_here(path: Path, *, sites: int = 1) -> None:
    """Make a daemon's database with three connections: the second is leaving, and the third was never synced."""
    async with open_database(path) as storage:
        await load_fingerprint(storage, VAULT)
        for number in range(sites):
            adopt = Adopt(site=Site("test", f"s{number}"), platform="fake", encrypted=VAULT.encrypt({}), now=NOW)
            stored = await storage.write(connections.adopt, adopt)
            if number % 3 != 2:
                for kind in (Kind.PRODUCTS, Kind.CUSTOMERS):
                    pending = Start(connection_id=stored.id, kind=kind, mode=RunMode.NORMAL, now=NOW)
                    await storage.write(full_syncs.start, pending)
            if number % 3 == 1:
                await storage.write(connections.leave, Leave(site=stored.site, now=NOW))


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "var" / "ignite-sync.db"
    path.parent.mkdir()
    trio.run(_daemon_was_here, path)
    return path


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """Make a backup of another day: it has three connections."""
    earlier = tmp_path / "earlier.db"
    trio.run(partial(_daemon_was_here, earlier, sites=3))
    back_up(earlier, tmp_path / "backup.db")
    return tmp_path / "backup.db"


def _sites(path: Path) -> list[str]:
    """Return the sites that a daemon finds in a database."""

    async def read() -> list[str]:
        async with open_database(path) as storage:
            return [one.site.id for one in await storage.read(connections.everyone)]

    return trio.run(read)


def test_the_backup_takes_the_place_and_what_was_there_is_kept(database: Path, backup: Path) -> None:
    before = database.read_bytes()
    aside = restore(backup, database, VAULT, NOW)
    assert aside == database.with_name(f"ignite-sync.db.before-restore-{STAMP}")
    assert _names(database.parent) == ["ignite-sync.db", aside.name]
    assert aside.read_bytes() == before
    assert sorted(_sites(database)) == ["s0", "s1", "s2"]


def test_every_kind_that_was_ever_synced_gets_a_refresh_run(database: Path, backup: Path) -> None:
    restore(backup, database, VAULT, NOW)

    async def marked() -> set[tuple[str, Kind, str, bool]]:
        async with open_database(database) as storage:
            return {
                (stored.site.id, kind, run.mode, run.again)
                for stored in await storage.read(connections.everyone)
                for kind in Kind
                if (run := await storage.read(full_syncs.current, stored.id, kind)) and run.mode == "refresh"
            }

    assert trio.run(marked) == {("s0", kind, "refresh", True) for kind in (Kind.PRODUCTS, Kind.CUSTOMERS)}


def test_a_log_beside_either_file_goes_with_it(database: Path, backup: Path, tmp_path: Path) -> None:
    """A copy of a running daemon's database has its last changes in the log, so both files are kept together."""
    for path, site in ((database, "logged"), (backup, "logged too")):
        live = tmp_path / "live.db"
        shutil.copy(path, live)
        with contextlib.closing(sqlite3.connect(live, isolation_level=None)) as open_still:
            open_still.execute("PRAGMA journal_mode=WAL")
            open_still.execute("UPDATE connections SET site_id = ? WHERE site_id = 's0'", (site,))
            for sidecar in ("", "-wal", "-shm"):
                shutil.copy(live.with_name(live.name + sidecar), path.with_name(path.name + sidecar))
    aside = restore(backup, database, VAULT, NOW)
    assert aside is not None
    assert "logged too" in _sites(database)
    assert sorted(name for name in _names(database.parent) if aside.name in name) == [
        aside.name,
        f"{aside.name}-shm",
        f"{aside.name}-wal",
    ]
    restore(aside, database, VAULT, NOW)
    assert "logged" in _sites(database), "files that were set aside can be restored"


def test_a_file_system_without_hard_links_is_no_trouble(
    database: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database never has two names meanwhile, either: a start after a kill would refuse them."""

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    before = database.read_bytes()
    monkeypatch.setattr("os.link", refuse)
    aside = restore(backup, database, VAULT, NOW)
    assert aside is not None
    assert aside.read_bytes() == before


def test_two_restores_in_one_second_keep_everything(database: Path, backup: Path) -> None:
    first, second = (restore(backup, database, VAULT, NOW) for _ in range(2))
    assert first is not None
    assert second is not None
    assert _names(database.parent) == sorted([database.name, first.name, second.name])


def test_without_a_database_there_is_nothing_to_set_aside(database: Path, backup: Path) -> None:
    database.unlink()
    assert restore(backup, database, VAULT, NOW) is None
    assert _names(database.parent) == ["ignite-sync.db"]
    assert database.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o660])
def test_owner_and_mode_stay(database: Path, backup: Path, mode: int) -> None:
    if os.geteuid() == 0:
        os.chown(database, 1234, 2345)
        os.chown(backup, 4321, 5432)
    database.chmod(mode)
    backup.chmod(0o644)
    before = database.stat()
    restore(backup, database, VAULT, NOW)
    after = database.stat()
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)
    lock = database.with_name("ignite-sync.db.lock").stat()
    assert (lock.st_uid, lock.st_gid) == (before.st_uid, before.st_gid), "the daemon's user can take it"


def test_behind_a_link_the_file_is_replaced(database: Path, backup: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(database)
    aside = restore(backup, link, VAULT, NOW)
    assert link.is_symlink()
    assert aside is not None
    assert aside.parent == database.parent
    assert sorted(_sites(database)) == ["s0", "s1", "s2"]


def _newer(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()


def _foreign(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE alembic_version (version_num)")
    database.close()


def _spoilt(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database:
        # A table that nothing reads on the way: only a check of the whole file finds it.
        [(page,)] = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'synced'")
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xa5" * 4096)


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _text(path: Path) -> None:
    path.write_text("no database", "utf-8")


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _other_keys(path: Path) -> None:
    encrypted = Vault([Secret("another key of many characters")]).encrypt("00" * 32)
    with sqlite3.connect(path) as database:
        database.execute("UPDATE meta SET encrypted = ?", (encrypted,))
    database.close()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (Path.unlink, "No such file or directory; name a file that `ignite-sync backup` wrote"),
        (_folder, "is no database; name a file"),
        (_pipe, "is no database; name a file"),
        (_text, "is no database; name a file"),
        (_empty, "is no database; name a file"),
        (_foreign, "is no database of Ignite Sync; name a file"),
        (_spoilt, "(is damaged|malformed).*; name a file"),  # in SQLite's words if the page is the schema's
        (_cut, "damaged|malformed"),
        (_newer, "it was written by a newer release, install that one"),
        (_other_keys, "security.secret_keys: none of the keys opens the database"),
    ],
)
def test_a_file_that_is_no_good_backup_changes_nothing(
    database: Path, backup: Path, spoil: Callable[[Path], object], words: str
) -> None:
    before = {path: path.read_bytes() for path in database.parent.iterdir()}
    spoil(backup)
    with pytest.raises(ConfigError, match=words) as error:
        restore(backup, database, VAULT, NOW)
    assert "\n" not in str(error.value)
    assert {path: path.read_bytes() for path in database.parent.iterdir() if path.suffix != ".lock"} == {
        path: content for path, content in before.items() if path.suffix != ".lock"
    }


def test_the_database_itself_is_no_backup(database: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    os.link(database, link)
    for same in (database, link):
        with pytest.raises(ConfigError, match="is the database itself"):
            restore(same, database, VAULT, NOW)


def test_while_a_daemon_runs_nothing_is_restored(database: Path, backup: Path) -> None:
    async def run() -> None:
        async with open_database(database) as storage:
            with pytest.raises(StorageTrouble, match="another daemon or command is using it; stop that one first"):
                restore(backup, database, VAULT, NOW)
            begin = Begin(site=Site("test", "later"), platform="fake", encrypted=b"", now=NOW)
            await storage.write(connections.begin, begin)

    trio.run(run)
    assert _sites(database) == ["s0", "later"]


@pytest.mark.parametrize("call", ["os.fsync", "os.chown", "shutil.copyfile", "pathlib.Path.replace"])
def test_a_disk_that_does_not_take_it_leaves_the_database_as_it_was(
    database: Path, backup: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = database.read_bytes()

    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    if os.geteuid() == 0:
        os.chown(database, 1234, 2345)
    elif call == "os.chown":
        os.chown(database, -1, -1)
        monkeypatch.setattr("daemon.storage.restore.owner_of", lambda _: (1, 1))
    with monkeypatch.context() as patch:
        patch.setattr(call, refuse)
        with pytest.raises(StorageTrouble, match="No space left on device; do it as the user") as error:
            restore(backup, database, VAULT, NOW)
    assert "\n" not in str(error.value)
    assert database.read_bytes() == before
    assert not [name for name in _names(database.parent) if ".partial" in name]
    assert _sites(database) == ["s0"]
