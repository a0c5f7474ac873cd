"""`move-database`: its arguments, its output and its exit codes; what it moves is tested in tests/storage."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine

from daemon.model import Secret
from daemon.model.identifiers import without_password
from daemon.storage.migrate import upgrade
from tests.cli.admin import call
from tests.postgres import PASSWORD


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "ignite-sync.db"
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as conn:
        upgrade(conn)
    engine.dispose()
    return path


@pytest.mark.postgres
def test_a_move_says_what_was_moved_and_what_to_do_next(file: Path, postgres_url: Secret) -> None:
    url = postgres_url.reveal()
    moved = call("move-database", f"sqlite:///{file.name}", url.replace("postgresql://", "postgres://"))
    assert (moved.exit_code, moved.stderr) == (0, "Moving rows: 1 of 1, floor\n")
    assert f"1 rows in 1 tables moved from {file} and compared\n" in moved.stdout
    assert "now set database.url to postgres://daemon@" in moved.stdout
    again = call("move-database", str(file), url)
    assert (again.exit_code, again.stdout) == (2, "")
    assert again.stderr == (
        f"ignite-sync: database {without_password(url)}: is not empty; name one without tables, or create one\n"
    )
    away = call("move-database", str(file), url.partition("?")[0] + "?host=/nowhere")
    assert (away.exit_code, away.stderr.count("\n")) == (1, 1)
    assert away.stderr.endswith("; nothing was moved\n")
    assert PASSWORD not in moved.output + again.output + away.output


@pytest.mark.parametrize(
    "wrong", ["mysql://u:hidden@h/d", "postgresql://", "sqlite:///", "postgresql://u:hidden@h/d f"]
)
def test_a_place_that_is_none_is_named_without_its_text(file: Path, wrong: str) -> None:
    for arguments in ((str(file), wrong), (wrong, str(file))):
        result = call("move-database", *arguments)
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
        assert "must be a file, sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME" in result.stderr
        assert "hidden" not in result.stderr
