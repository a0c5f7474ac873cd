"""Every form of RFC 2822 and ISO 8601 is read as the same moment, in any zone of the machine."""

import datetime as dt
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from daemon.platforms.bigcommerce.metafields import Reading
from daemon.platforms.bigcommerce.schema import Metafield
from daemon.platforms.shared.dates import date_of, moment_of, seconds_of
from tests.each import each
from tests.platforms.bigcommerce.test_bigcommerce_order_mapping import mapped, order
from tests.platforms.bigcommerce.test_bigcommerce_product_attributes import attributes

FORMS = [
    "Tue, 20 Nov 2012 10:20:30 +0000",
    "Tue, 20 Nov 2012 10:20:30 -0000",
    "Tue, 20 Nov 2012 10:20:30 GMT",
    "Tue, 20 Nov 2012 10:20:30 UT",
    "Tue, 20 Nov 2012 10:20:30 Z",
    "Tue, 20 Nov 2012 10:20:30 +0000 (UTC)",
    "Tue, 20 Nov 2012 10:20:30",
    "20 Nov 2012 10:20:30 +0000",
    "20 Nov 12 10:20:30 +0000",
    "Tue, 20 Nov 2012 05:20:30 EST",
    "Tue, 20 Nov 2012 05:20:30 -0500",
    "Tue, 20 Nov 2012 15:50:30 +0530",
    "tue, 20 nov 2012 10:20:30 +0000",
    "Tue, 20 Nov 2012\r\n 10:20:30 +0000",
    "2012-11-20T10:20:30Z",
    "2012-11-20T10:20:30+00:00",
    "2012-11-20T10:20:30-00:00",
    "2012-11-20T05:20:30-05:00",
    "2012-11-20T15:50:30+0530",
    "2012-11-20T12:20:30+02",
    "2012-11-20T10:20:30",
    "2012-11-20 10:20:30",
    "2012-11-20 10:20:30Z",
    "2012-11-20 10:20:30 +0000",
    "2012-11-20 10:20:30 UTC",
    "2012-11-20t10:20:30z",
    "20121120T102030Z",
    "20121120T102030",
    "20121120T052030-0500",
    "2012-W47-2T10:20:30Z",
    "2012W472T102030Z",
    "2012-325T10:20:30Z",
    "2012-11-20T10:20:30.0Z",
    "2012-11-20T10:20:30,000000000+00:00",
    " 2012-11-20T10:20:30Z ",
    "2012325T102030Z",
    "2012-11-20T05:20:30\N{MINUS SIGN}05:00",
    "20121120T052030\N{MINUS SIGN}0500",
    "2012-11-20T10:20.5Z",
    "2012-11-20T10:20,50+00:00",
    "20121120T1020.5",
    "Tue, 20 Nov 112 10:20:30 +0000",
    "20-Nov-112 10:20:30 +0000",
    "Tue, 20 Nov  112 (a year (of the (obsolete) form)) 10:20:30 +0000",
    "Tue, 20 Nov 2012 10:20:30 +0000 (UTC (really))",
    r"Tue, 20 Nov 2012 10:20:30 +0000 (one \) within)",
]
MOMENT = dt.datetime(2012, 11, 20, 10, 20, 30, tzinfo=dt.UTC)

NONE = [
    *("", " ", "soon", "0", "12", "true", "0000-00-00 00:00:00", "0000-00-00T00:00:00Z", "-0001-11-30T00:00:00Z"),
    *("2012-13-01T00:00:00Z", "2012-02-30", "2012-11-20T25:00:00Z", "2012-11-20T10:60:00Z", "2012-11-20T10:20:61Z"),
    *("2012-11-20T10:20:30+99:00", "Wed, 30 Nov -0001 00:00:00 +0000", "Thu, 32 Nov 2012 00:00:00 +0000"),
    *("2012366T10.5.5Z", "2013366", "2012-11-20.5", "Tue, 20 Nov 2012 10:20:30 +0000 (open", "Tue, 20 Nov 1 10:20:30"),
    *("Tue, 20 Foo 2012 10:20:30 +0000", "Tue, 20 Nov 2012 10:20:30 +9999", "20/11/2012", "1353406830", "NaN"),
    *(
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "(",
        "Tue, ",
        "9" * 400,
        "\u0661",
        "\x00",
        "2012-11-20T",
    ),
]


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Kolkata"])
def zone(request: pytest.FixtureRequest) -> Iterator[str]:
    """Set the machine's zone."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = request.param
    time.tzset()
    yield request.param
    os.environ.pop("TZ")
    if before is not None:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.holds("E10")
@each("told", FORMS)
def test_every_form_is_the_same_moment_in_every_zone_of_the_machine(told: str, zone: str) -> None:
    assert moment_of(told) == MOMENT
    assert seconds_of(told) == MOMENT.timestamp()
    assert date_of(told) == dt.date(2012, 11, 20)
    for field, value in [
        ("date_created", order(date_created=told).placed),
        ("date_modified", order(date_modified=told).updated),
    ]:
        assert value == MOMENT, field
        assert value.utcoffset() == dt.timedelta(0)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("2012-11-20", dt.datetime(2012, 11, 20, tzinfo=dt.UTC)),
        ("20121120", dt.datetime(2012, 11, 20, tzinfo=dt.UTC)),
        ("2012-11-20T10:20Z", dt.datetime(2012, 11, 20, 10, 20, tzinfo=dt.UTC)),
        ("2012-11-20T10Z", dt.datetime(2012, 11, 20, 10, tzinfo=dt.UTC)),
        ("2012-11-20T24:00:00Z", dt.datetime(2012, 11, 21, tzinfo=dt.UTC)),
        ("2012-06-30T23:59:60Z", dt.datetime(2012, 7, 1, tzinfo=dt.UTC)),
        ("Sat, 30 Jun 2012 23:59:60 +0000", dt.datetime(2012, 7, 1, tzinfo=dt.UTC)),
        ("Tue, 20 Nov 2012 10:20 +0000", dt.datetime(2012, 11, 20, 10, 20, tzinfo=dt.UTC)),
        ("2012325", dt.datetime(2012, 11, 20, tzinfo=dt.UTC)),
        ("2012-11-20T10.25Z", dt.datetime(2012, 11, 20, 10, 15, tzinfo=dt.UTC)),
        ("20121120T10,5-0500", dt.datetime(2012, 11, 20, 15, 30, tzinfo=dt.UTC)),
        ("2012-11-20T10:20:30.1234567Z", MOMENT.replace(microsecond=123456)),
    ],
)
def test_a_form_with_more_or_less_than_seconds(told: str, expected: dt.datetime, zone: str) -> None:
    assert moment_of(told) == expected


@each("told", [*NONE])
def test_what_is_no_time_is_none(told: str) -> None:
    assert moment_of(told) is None
    assert seconds_of(told) is None


@pytest.mark.holds("C5", "E10")
@each("told", [*NONE, None])
@each("field", ["date_created", "date_modified"])
def test_a_date_of_an_order_that_is_none_is_an_issue_that_names_it(field: str, told: Any) -> None:
    changes: dict[str, Any] = {field: told}
    result = mapped(**changes)
    assert (result.value, [issue.code for issue in result.issues]) == (None, ["order_date_unusable"])
    assert f'"{field}"' in result.issues[0].message


def test_a_restock_date_is_the_day_that_is_written() -> None:
    for told in ("2026-12-31T23:00:00-05:00", "Thu, 31 Dec 2026 23:00:00 -0500", "20261231"):
        assert attributes({"restock_date": told})[0].restock_date == dt.date(2026, 12, 31)


def test_the_newest_metafield_is_so_by_its_time_and_not_by_how_it_is_written() -> None:
    reading = Reading(scan_id=1)
    told = ["2012-11-20T10:20:30Z", "Tue, 20 Nov 2012 10:20:31 +0000", "2012-11-20 09:00:00", "soon", None]
    reading.take([Metafield(resource_id=1, key="k", value="v", date_modified=one) for one in told])
    assert reading.newest == MOMENT.timestamp() + 1
