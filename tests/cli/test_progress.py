"""Progress for people: a bar on a terminal, few lines everywhere else."""

import io

from daemon.cli.progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines(*updates: tuple[int, int | None, str]) -> list[str]:
    stream = io.StringIO()
    with progress("sync", stream) as shown:
        for update in updates:
            shown.update(*update)
    return stream.getvalue().splitlines()


def test_a_log_gets_about_ten_lines_and_always_the_last() -> None:
    written = lines(*((done, 1003, "reading") for done in range(1004)))
    assert written[0] == "sync: 0 of 1003, reading"
    assert written[-1] == "sync: 1003 of 1003, reading"
    assert 10 <= len(written) <= 12


def test_a_new_note_is_a_new_line() -> None:
    assert lines((1, 100, "reading"), (1, 100, "closing"), (1, 100, "closing")) == [
        "sync: 1 of 100, reading",
        "sync: 1 of 100, closing",
    ]


def test_without_a_total_lines_come_ever_more_rarely() -> None:
    written = lines(*((done, None, "") for done in range(10_001)))
    assert written[:4] == ["sync: 0", "sync: 10", "sync: 20", "sync: 40"]
    assert written[-1] == "sync: 10000"
    assert len(written) < 15


def test_nothing_to_show_shows_nothing() -> None:
    assert lines() == []


def test_a_terminal_gets_a_bar_with_the_last_numbers() -> None:
    stream = Terminal()
    with progress("sync [live]", stream) as shown:
        shown.update(1, None, "reading")
        shown.update(295, 295, "done [all]")
    assert all(text in stream.getvalue() for text in ("sync [live]", "295/295", "done [all]"))
