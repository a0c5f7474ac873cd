import pytest

from daemon.retry_after import LONGEST_UNSURE, retry_after

NOON = "Mon, 23 Nov 2026 12:00:00 GMT"
NOON_SECONDS = 1795435200.0


@pytest.mark.parametrize(
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
        ({"retry-after": NOON, "date": "Mon, 23 Nov 2026 09:00:00 GMT"}, 10800.0),
    ],
)
def test_both_forms_are_read_and_nonsense_is_no_answer(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOON_SECONDS - 60) == seconds
