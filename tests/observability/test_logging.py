"""Log lines are machine-readable, and have neither secrets nor personal data."""

import errno
import io
import json
import logging
import time
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from daemon.errors import Rejected, StorageTrouble
from daemon.model import Kind, Lane, Secret, Site
from daemon.observability.logging import configure, log_storage_trouble
from daemon.observability.tracebacks import summary
from daemon.storage.group_commit import closed


class Lines(io.StringIO):
    def all(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def lines() -> Iterator[Lines]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = Lines()
    configure("info", stream)
    yield stream
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def fail() -> None:
    customer = "Bob Smith"
    raise Rejected(f"no such {customer}", reason="http_422") from ValueError(f"bad name: {customer!r}")


def test_trouble_with_the_database_is_a_warning_unless_this_process_has_closed_it(lines: Lines) -> None:
    log_storage_trouble(closed())
    assert lines.all() == []
    log_storage_trouble(StorageTrouble("locked", reason="storage"))
    assert [(line["event"], line["reason"]) for line in lines.all()] == [("the database cannot be used now", "storage")]


def test_a_line_is_json_with_level_and_time(lines: Lines) -> None:
    structlog.get_logger("x").info("synced", site=Site("live", "jones"), kind=Kind.PRODUCTS, lane=Lane.LIVE)
    (line,) = lines.all()
    assert line.pop("timestamp").endswith("Z")
    expected = {"event": "synced", "level": "info", "site": "live/jones", "kind": "products", "lane": "live"}
    assert line == expected


def test_the_level_is_obeyed(lines: Lines) -> None:
    log = structlog.get_logger("x")
    log.debug("not this")
    log.warning("this")
    assert [line["event"] for line in lines.all()] == ["this"]


@pytest.mark.parametrize(
    "given",
    [
        {"secret": "hunter2"},
        {"admin_token": "hunter2"},
        {"Authorization": "hunter2"},
        {"api_key": "hunter2"},
        {"harmless": Secret("hunter2")},
        {"nested": {"list": [{"client_secret": "hunter2"}]}},
        {"email": "hunter2"},
        {"first_name": "hunter2"},
        {"rows": [{"postcode": "hunter2"}]},
        {"error": Rejected("hunter2", reason="http_422")},
        {"error": ValueError("bad: 'hunter2'")},
        {"error": ValueError("hunter2@example.com is taken")},
        {"thing": type("Thing", (), {"__repr__": lambda _self: "hunter2"})()},
    ],
    ids=str,
)
def test_secrets_and_personal_data_do_not_get_out(lines: Lines, given: dict[str, Any]) -> None:
    structlog.get_logger("x").info("event", **given)
    assert "hunter2" not in lines.getvalue()
    assert lines.all()[0]["event"] == "event"


def test_a_traceback_tells_where_but_neither_texts_nor_variables(lines: Lines) -> None:
    try:
        fail()
    except Rejected:
        structlog.get_logger("x").exception("it failed")
    shown = lines.all()[0]["exception"]
    parts = ("in fail", "Rejected: http_422", "ValueError: bad name: '…'", "direct cause")
    assert [part for part in parts if part not in shown] == []
    assert "Bob" not in shown


def test_however_long_an_errors_text_is_it_is_told_at_once() -> None:
    began = time.process_time()
    for text in ("x" * 10**5, "'" * 10**5, "bob@" * 10**5, "'x'bob@example.com"):
        assert "bob" not in summary(RuntimeError(text))
    assert time.process_time() - began < 5.0  # a pattern that is tried at each place takes 11 s


def test_a_group_is_told_with_its_errors(lines: Lines) -> None:
    customer = "bob@example.com"
    group = ExceptionGroup("several", [KeyError(customer), OSError(28, "No space left on device")])
    structlog.get_logger("x").error("it failed", exc_info=group)
    shown = lines.all()[0]["exception"]
    assert "OSError: [Errno 28] No space left on device" in shown
    assert "KeyError" in shown
    assert "bob" not in shown


def test_libraries_are_heard_from_warning_on_in_the_same_form(lines: Lines) -> None:
    logging.getLogger("httpx").info("HTTP Request: GET https://example.com/?email=bob")
    logging.getLogger("alembic").warning("careful with %s", "this")
    try:
        fail()
    except Rejected:
        logging.getLogger("trio").exception("task failed")
    first, second = lines.all()
    assert (first["event"], first["logger"], first["level"]) == ("careful with this", "alembic", "warning")
    assert "Bob" not in second["exception"]


def test_warnings_become_lines(lines: Lines) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old api", stacklevel=1)
    assert "old api" in lines.all()[0]["event"]


@pytest.mark.usefixtures("lines")
def test_a_terminal_gets_words_for_people() -> None:
    stream = Terminal()
    configure("info", stream)
    structlog.get_logger("x").info("synced", token="hunter2")
    assert "synced" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()
    with pytest.raises(json.JSONDecodeError):
        json.loads(stream.getvalue())


class FullDisk(io.StringIO):
    """A stream on a full disk, until `full` is False."""

    full = True

    def write(self, text: str) -> int:
        self._look()
        return super().write(text)

    def flush(self) -> None:
        self._look()

    def _look(self) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")


def test_a_line_that_cannot_be_written_is_lost_and_harms_nobody(lines: Lines) -> None:
    stream = FullDisk()
    configure("info", stream)
    log = structlog.get_logger()
    log.warning("lost")
    stream.full = False
    log.warning("written")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["written"]
