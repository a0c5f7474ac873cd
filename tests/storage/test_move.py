"""Moving a database: every row of every table arrives, or the target is as it was; both ways, on real engines."""

import contextlib
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
from sqlalchemy import Column, Connection, Engine, Enum, create_engine, inspect, select

from daemon.errors import ConfigError, StorageTrouble
from daemon.model import Secret
from daemon.storage import leases, postgres, postgres_session
from daemon.storage.database import open_database
from daemon.storage.leases import Node
from daemon.storage.lock import only_one
from daemon.storage.migrate import upgrade
from daemon.storage.move import ROWS, move
from daemon.storage.tables import metadata
from tests.postgres import PASSWORD
from tests.storage.harness import StorageHarness

pytestmark = pytest.mark.postgres

FEW = 3
MANY = 2 * ROWS + 7
ODD = "\0\ufdd0ä\N{PILE OF POO}"
"""A text in which the engines differ: PostgreSQL holds no NUL."""

NODE = Node(id="a", name="a", release="1", config="")


def value(column: Column[Any], number: int) -> Any:
    """Return a value of a column in the row of this number; each nullable column is empty in some."""
    if column.nullable and number % 3 == 0:
        return None
    if isinstance(column.type, Enum) and column.type.enum_class is not None:
        values = list(column.type.enum_class)
        return values[0 if column.name == "state" else number % len(values)]
    made: dict[type, Any] = {
        bool: number % 2 == 0,
        int: number,
        float: 1_700_000_000.1 + number / 3,
        bytes: bytes([number % 256, 0, 255]),
        str: f"{ODD if number % 2 else ''}{column.name}{number:05}",
    }
    return made[column.type.python_type]


def fill(conn: Connection, many: int) -> None:
    """Put a few rows into every table, and `many` into the outbox."""
    for table in metadata.sorted_tables:
        conn.execute(table.delete())
        numbers = range(1, 1 + (many if table.name == "outbox" else FEW))
        rows = [{column.name: value(column, number) for column in table.columns} for number in numbers]
        for row in rows:
            row.update({"state": "active"} if table.name == "connections" else {})
        conn.execute(table.insert(), rows)


@contextlib.contextmanager
def engine(place: Path | Secret) -> Iterator[Engine]:
    made = create_engine(f"sqlite:///{place}") if isinstance(place, Path) else postgres.engine(place, postgres.WRITE)
    yield made
    made.dispose()


def content(place: Path | Secret) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of all tables, in an order that no engine decides."""
    with engine(place) as made, made.begin() as conn:
        return {
            name: sorted((tuple(row) for row in conn.execute(select(table))), key=repr)
            for name, table in metadata.tables.items()
        }


def tables(url: Secret) -> list[str]:
    with engine(url) as made, made.begin() as conn:
        return list(inspect(conn).get_table_names())


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("move") / "template.db"
    with engine(path) as made, made.begin() as conn:
        upgrade(conn)
        fill(conn, FEW)
    return path


@pytest.fixture
def file(template: Path, tmp_path: Path) -> Path:
    """Lend a database file with rows in every table."""
    path = tmp_path / "ignite-sync.db"
    shutil.copy(template, path)
    return path


def test_every_row_of_every_table_arrives_and_comes_back(file: Path, postgres_url: Secret, tmp_path: Path) -> None:
    with engine(file) as made, made.begin() as conn:
        fill(conn, MANY)
    before, progress = content(file), list[tuple[int, int, str]]()
    assert all(before.values()), "a table without rows shows nothing"
    moved = move(file, postgres_url, lambda *now: progress.append(now))
    assert moved == {name: len(rows) for name, rows in before.items()}
    assert content(postgres_url) == before == content(file)
    assert [name for _, _, name in progress].count("outbox") == MANY // ROWS + 1, "in parts"
    assert progress[-1][:2] == (sum(moved.values()), sum(moved.values()))
    back = tmp_path / "back.db"
    assert move(postgres_url, back) == moved
    assert content(back) == before
    assert back.stat().st_mode & 0o777 == 0o600


async def test_no_id_is_given_twice_over_a_move(tmp_path: Path, postgres_url: Secret) -> None:
    """An id is a generation: rows that were deleted count too."""
    path, back = tmp_path / "a.db", tmp_path / "b.db"
    async with open_database(path) as database:
        harness = await StorageHarness.build(database)
        run = await harness.started()
    with contextlib.closing(sqlite3.connect(path)) as other, other:
        other.execute("DELETE FROM full_syncs")
        other.execute("DELETE FROM connections")
    move(path, postgres_url)
    move(postgres_url, back)
    for place in (postgres_url, back):
        async with open_database(place) as database:
            again = await StorageHarness.build(database)
            assert again.connection_id == harness.connection_id + 1
            assert await again.started() == run + 1


def _nothing(_file: Path) -> None: ...


def _lost(file: Path) -> None:
    file.unlink()


def _text(file: Path) -> None:
    file.write_text("hello", "utf-8")


def _foreign(file: Path) -> None:
    file.unlink()
    with contextlib.closing(sqlite3.connect(file)) as other, other:
        other.execute("CREATE TABLE mine (a)")


def _sql(statement: str) -> Callable[[Path], None]:
    def spoil(file: Path) -> None:
        with contextlib.closing(sqlite3.connect(file)) as other, other:
            other.execute(statement)

    return spoil


def _torn(file: Path) -> None:
    pages = bytearray(file.read_bytes())
    pages[8192:16384] = b"\xff" * 8192
    file.write_bytes(pages)


BAD_SOURCES: dict[str, tuple[Callable[[Path], None], str]] = {
    "not there": (_lost, "No such file or directory; name the daemon's database file"),
    "no database": (_text, "is no database; name the daemon's database file"),
    "of another program": (_foreign, "is no database of Ignite Sync"),
    "of another release": (_sql("UPDATE alembic_version SET version_num = '0000'"), "was written by another release"),
    "damaged": (_torn, "damaged"),
}


@pytest.mark.parametrize("name", BAD_SOURCES)
def test_a_source_that_cannot_be_used_is_named_in_one_line(name: str, file: Path, postgres_url: Secret) -> None:
    spoil, words = BAD_SOURCES[name]
    spoil(file)
    with pytest.raises(ConfigError) as error:
        move(file, postgres_url)
    assert str(error.value).startswith(f"database {file}: ")
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert tables(postgres_url) == []


def test_the_database_of_a_running_daemon_is_refused(file: Path, postgres_url: Secret) -> None:
    with only_one(file), pytest.raises(StorageTrouble, match="another daemon or command is using it"):
        move(file, postgres_url)
    assert tables(postgres_url) == []


async def test_so_is_the_server_database_of_a_running_daemon(postgres_url: Secret, tmp_path: Path) -> None:
    back = tmp_path / "back.db"
    async with open_database(postgres_url) as database:
        await StorageHarness.build(database)
        with pytest.raises(ConfigError, match="a daemon is using it; stop that one first"):
            move(postgres_url, back)
    assert not back.exists()
    assert move(postgres_url, back)["connections"] == 1


async def test_so_is_that_of_a_daemon_whose_sessions_have_another_name(postgres_url: Secret, tmp_path: Path) -> None:
    back = tmp_path / "back.db"
    async with open_database(Secret(f"{postgres_url.reveal()}&application_name=mine")) as database:
        await database.apart(leases.enter, NODE, 0.0)

        async def beat_on(*, task_status: trio.TaskStatus[None]) -> None:
            while True:
                await database.apart(leases.pulse, NODE.id, leases.clock, time.time)
                task_status.started()
                task_status = trio.TASK_STATUS_IGNORED
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            await nursery.start(beat_on)  # one that has not beaten for long is none
            with pytest.raises(ConfigError, match="a daemon is using it; stop that one first"):
                await trio.to_thread.run_sync(move, postgres_url, back)
            nursery.cancel_scope.cancel()
    assert not back.exists()


@pytest.mark.parametrize("ahead", [0.0, 3600.0], ids=["a node that was killed", "a copy of another server's database"])
async def test_a_row_without_new_beats_holds_nothing_up_for_long(
    postgres_url: Secret, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    monkeypatch.setattr(leases, "EXPEL_AFTER", 0.2)
    async with open_database(postgres_url) as database:
        await database.apart(leases.enter, NODE, await database.apart(leases.clock) + ahead)
    assert move(postgres_url, tmp_path / "back.db")["nodes"] == 1


def test_a_target_with_tables_or_a_file_is_refused_and_unchanged(file: Path, postgres_url: Secret) -> None:
    move(file, postgres_url)
    before = content(postgres_url)
    with pytest.raises(ConfigError, match="is not empty; name one without tables"):
        move(file, postgres_url)
    assert content(postgres_url) == before
    with pytest.raises(ConfigError, match="is there already, and nothing is overwritten"):
        move(postgres_url, file)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda url: url.replace("Fword", "Fsword"), "authentication failed for user"),
        (lambda url: url.replace("/test_", "/none_"), "does not exist; create it"),
        (lambda url: url + "&colour=red", "colour is no parameter"),
        (lambda url: url.replace(url.split("@/")[1].split("?")[0], "postgres"), "may not create tables"),
    ],
)
def test_a_server_that_cannot_be_used_is_named_without_the_password(
    spoil: Callable[[str], str], words: str, file: Path, postgres_url: Secret
) -> None:
    with pytest.raises(ConfigError) as error:
        move(file, Secret(spoil(postgres_url.reveal())))
    assert words in str(error.value)
    assert PASSWORD not in str(error.value)
    assert "\n" not in str(error.value)


def test_an_absent_server_is_trouble(file: Path, postgres_url: Secret) -> None:
    with pytest.raises(StorageTrouble, match="database postgresql://daemon@/nowhere/"):
        move(file, Secret(postgres_url.reveal().partition("?")[0] + "?host=/nowhere"))


def test_a_row_that_the_target_refuses_leaves_it_empty(file: Path, postgres_url: Secret) -> None:
    _sql("UPDATE synced SET revision = 1099511627776 WHERE revision = 3")(file)
    with pytest.raises(StorageTrouble, match="out of range"):
        move(file, postgres_url)
    assert tables(postgres_url) == []
    _sql("UPDATE synced SET revision = 3")(file)
    move(file, postgres_url)


def test_a_row_that_reads_back_otherwise_leaves_the_target_empty(
    file: Path, postgres_url: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        postgres_session, "escaped", lambda text: text.replace("\0", "?").replace("cursor00002", "cursor")
    )
    with pytest.raises(StorageTrouble, match="differs from what was written"):
        move(file, postgres_url)
    assert tables(postgres_url) == []


def test_a_failure_on_the_way_back_leaves_no_file(
    file: Path, postgres_url: Secret, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    move(file, postgres_url)
    # An escape that is not undone: the texts differ from what is read again.
    monkeypatch.setattr("daemon.storage.move._compare", _fail)
    with pytest.raises(StorageTrouble):
        move(postgres_url, tmp_path / "back.db")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("back")] == []


def _fail(*_: object) -> None:
    raise StorageTrouble("it differs", reason="storage")
