"""One process at a time uses a database, by any of its paths."""

# ruff: noqa: ASYNC240  small files

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from daemon.errors import ConfigError, StorageTrouble
from daemon.storage.database import open_database
from daemon.storage.lock import only_one
from daemon.storage.sqlite import check_writable

HOLD = """
import sys
from pathlib import Path
from daemon.storage import lock
lock.LOCK_SECONDS = 0.0
with lock.only_one(Path(sys.argv[1]), make=True):
    print("held", flush=True)
    sys.stdin.read()
"""


def _symlink(file: Path) -> Path:
    link = file.with_name("link.db")
    link.symlink_to(file)
    return link


def _symlink_to_a_folder(file: Path) -> Path:
    (file.parent / "release").symlink_to(file.parent)
    return file.parent / "release" / file.name


def _symlink_of_a_symlink(file: Path) -> Path:
    (file.parent / "elsewhere").mkdir()
    link = file.parent / "elsewhere" / "other.db"
    link.symlink_to(_symlink(file))
    return link


def _hard_link(file: Path) -> Path:
    (file.parent / "elsewhere").mkdir()
    link = file.parent / "elsewhere" / "other.db"
    os.link(file, link)
    return link


def _relative(file: Path) -> Path:
    return Path(os.path.relpath(file))


def _with_steps(file: Path) -> Path:
    (file.parent / "elsewhere").mkdir()
    return file.parent / "elsewhere" / ".." / file.name


def _itself(file: Path) -> Path:
    return file


NAMES = [_itself, _symlink, _symlink_to_a_folder, _symlink_of_a_symlink, _relative, _with_steps]
Name = Callable[[Path], Path]


@pytest.mark.holds("E07")
@pytest.mark.parametrize("other", NAMES)
@pytest.mark.parametrize("new", [True, False], ids=["new", "there"])
def test_a_second_process_is_refused_by_any_name(tmp_path: Path, other: Name, *, new: bool) -> None:
    """In either order: the holder may be the process that uses the link."""
    file = tmp_path / "ignite-sync.db"
    if not new:
        file.touch()
    with only_one(file, make=True):
        link = other(file)
        with subprocess.Popen([sys.executable, "-c", HOLD, str(link)], stderr=subprocess.PIPE, text=True) as second:
            assert second.stderr is not None
            assert "another daemon or command is using it; stop that one first" in second.stderr.read()
    arguments = [sys.executable, "-c", HOLD, str(link)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(StorageTrouble, match="another daemon"), only_one(file):
            pass


@pytest.mark.holds("E07")
async def test_the_lock_of_the_file_outlives_other_openings_of_it(tmp_path: Path) -> None:
    file = tmp_path / "ignite-sync.db"
    async with open_database(file):
        check_writable(file)
        command = [sys.executable, "-c", HOLD, str(_symlink_of_a_symlink(file))]
        second = await trio.run_process(command, capture_stderr=True, check=False)
        assert b"another daemon" in second.stderr


@pytest.mark.holds("E07")
async def test_a_database_with_two_names_is_refused_by_either_since_its_log_is_beside_one(tmp_path: Path) -> None:
    """A daemon that was killed under one name has commits in the log there, which a start by the other one misses."""
    file = tmp_path / "ignite-sync.db"
    async with open_database(file):
        pass
    link = _hard_link(file)
    for name in (file, link):
        with pytest.raises(ConfigError, match=r"has 2 names \(hard links\).*; remove the others") as refused:
            async with open_database(name):
                pytest.fail("it was opened")
        assert "\n" not in str(refused.value)
        with pytest.raises(ConfigError, match="has 2 names"):
            check_writable(name)
    link.unlink()
    async with open_database(file):
        pass


@pytest.mark.holds("E07")
async def test_a_link_to_nothing_yet_makes_a_private_file_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    link, file = tmp_path / "ignite-sync.db", tmp_path / "data" / "real.db"
    link.symlink_to(file)
    check_writable(link)
    assert not file.exists()
    async with open_database(link):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert {one.name for one in tmp_path.iterdir()} == {"data", "ignite-sync.db"}
    (tmp_path / "lost.db").symlink_to(tmp_path / "nowhere" / "real.db")
    with pytest.raises(ConfigError, match="there is no folder"):
        check_writable(tmp_path / "lost.db")


@pytest.mark.holds("E07")
async def test_links_that_lead_in_a_circle_are_told(tmp_path: Path) -> None:
    one, other = tmp_path / "one.db", tmp_path / "other.db"
    one.symlink_to(other)
    other.symlink_to(one)
    with pytest.raises(ConfigError, match="its links lead in a circle; name the file itself"):
        check_writable(one)
    with pytest.raises(ConfigError, match="its links lead in a circle; name the file itself"):
        async with open_database(one):
            pass
