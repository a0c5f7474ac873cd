"""Pauses grow to a limit, honour a requested wait up to it, and are never zero."""

from daemon.transport.backoff import LONGEST, backoff
from tests.each import each


@each(
    ("attempts", "chance", "asked", "seconds"),
    [
        (0, 1.0, None, 1.0),
        (3, 1.0, None, 8.0),
        (3, 0.5, None, 4.0),
        (3, 0.0, None, 0.5),
        (3, 1.0, 7.0, 8.0),
        (3, 1.0, 9.0, 9.0),
        (3, 1.0, 7200.0, LONGEST),
        (10_000, 1.0, None, LONGEST),
    ],
)
def test_a_pause(attempts: int, chance: float, asked: float | None, seconds: float) -> None:
    assert backoff(attempts, chance, asked) == seconds


def test_a_pause_with_limits_of_its_own() -> None:
    assert [backoff(n, 1.0, first=2.0, longest=10.0) for n in range(4)] == [2.0, 4.0, 8.0, 10.0]
