import pytest

from daemon.transport.retry_after import LONGEST_UNSURE, LONGEST_WAIT, retry_after
from tests.each import each

NOON = "Mon, 23 Nov 2026 12:00:00 GMT"
NOON_SECONDS = 1795435200.0


@each(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": NOON}, LONGEST_UNSURE),
        ({"retry-after": "Mon, 23 Nov 2026 11:59:03 GMT"}, 3.0),
        ({"retry-after": "Mon, 23 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": NOON, "date": "Mon, 23 Nov 2026 11:59:50 GMT"}, 10.0),
        ({"retry-after": NOON, "date": "yesterday"}, LONGEST_UNSURE),
        ({"retry-after": NOON, "date": "Mon, 23 Nov 2026 11:50:00 GMT"}, 600.0),
        ({"retry-after": NOON.replace("GMT", "-0000"), "date": "Mon, 23 Nov 2026 11:59:50 GMT"}, 10.0),
        ({"x-retry-after": "7"}, 7.0),
        ({"x-retry-after": "7", "retry-after": "3"}, 7.0),
        ({"x-retry-after": "soon", "retry-after": "9"}, 9.0),
    ],
)
def test_both_forms_are_read_and_nonsense_is_no_answer(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOON_SECONDS - 60) == seconds


@pytest.mark.holds("D3", "E01")
@each(
    "headers",
    [
        {"retry-after": "60000"},
        {"retry-after": "9999999999"},
        {"retry-after": "1e300"},
        {"retry-after": str(NOON_SECONDS)},
        {"retry-after": "Mon, 23 Nov 2994 12:00:00 GMT", "date": NOON},
        {"retry-after": NOON, "date": "Mon, 23 Nov 2026 09:00:00 GMT"},
        {"x-retry-after": "60000"},
    ],
)
def test_no_wait_is_longer_than_a_quarter_of_an_hour(headers: dict[str, str]) -> None:
    assert retry_after(headers, NOON_SECONDS) == LONGEST_WAIT == 900.0
