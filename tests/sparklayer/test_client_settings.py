"""The base currency: a global setting, or the store currency for keys that may not write settings."""

from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from daemon.errors import Blocked, Rejected, Retry
from daemon.model import Lane
from daemon.sparklayer import SparkLayer
from daemon.sparklayer.settings import CONFLICT


def steps(fake: Any) -> list[tuple[str, str]]:
    return [(request.method, request.url.path.rsplit("/", 1)[1]) for request in fake.requests]


SETTING, CURRENCY = ("PATCH", "settings"), ("PUT", "store-currency")


async def test_the_base_currency_is_a_global_setting(sparklayer: SparkLayer, fake: Any) -> None:
    await sparklayer.settings.set_base_currency("GBP", Lane.LIVE)
    assert steps(fake) == [SETTING]
    assert fake.bodies() == [[{"key": "baseCurrency", "value": "GBP"}]]


@pytest.mark.parametrize("status", [403, 404, 405, 422])
async def test_a_key_that_may_not_write_settings_sets_the_store_currency_and_is_not_asked_again(
    sparklayer: SparkLayer, fake: Any, autojump_clock: MockClock, status: int
) -> None:
    fake.answers = [httpx.Response(status, json={"title": "No", "detail": "No"})] * 2
    await sparklayer.settings.set_base_currency("GBP", Lane.LIVE)
    await sparklayer.settings.set_base_currency("EUR", Lane.LIVE)
    assert steps(fake) == [SETTING, SETTING, CURRENCY, CURRENCY]
    assert fake.bodies()[2:] == [{"currency_code": "GBP"}, {"currency_code": "EUR"}]


@pytest.mark.parametrize("member", ["title", "detail"])
async def test_a_refusal_that_says_so_means_the_key_whatever_its_status(
    sparklayer: SparkLayer, fake: Any, autojump_clock: MockClock, member: str
) -> None:
    words = "Global settings unavailable for updates, please contact support"
    fake.answers = [httpx.Response(400, json={"title": "Refused", "status": 400} | {member: words})] * 2
    await sparklayer.settings.set_base_currency("GBP", Lane.LIVE)
    await sparklayer.settings.set_base_currency("GBP", Lane.LIVE)
    assert steps(fake) == [SETTING, SETTING, CURRENCY, CURRENCY]


async def test_a_refused_value_is_refused(sparklayer: SparkLayer, fake: Any) -> None:
    fake.answers = [httpx.Response(400, json={"title": "No", "detail": "XXX is no currency"})]
    with pytest.raises(Rejected, match="XXX is no currency") as rejected:
        await sparklayer.settings.set_base_currency("XXX", Lane.LIVE)
    assert rejected.value.reason == "http_400"
    assert steps(fake) == [SETTING]


async def test_another_currency_that_is_set_for_good_is_a_conflict(
    sparklayer: SparkLayer, fake: Any, autojump_clock: MockClock
) -> None:
    fake.answers = [
        httpx.Response(403, json={"title": "No", "detail": "No"}),
        httpx.Response(403, json={"title": "No", "detail": "No"}),
        httpx.Response(409, json={"title": "No", "detail": "the currency is set"}),
    ]
    with pytest.raises(Rejected) as rejected:
        await sparklayer.settings.set_base_currency("EUR", Lane.LIVE)
    assert rejected.value.reason == CONFLICT


async def test_a_suspended_site_is_no_reason_to_try_the_other_way(sparklayer: SparkLayer, fake: Any) -> None:
    fake.answers = [httpx.Response(402, json={"title": "No", "detail": "No"})]
    with pytest.raises(Blocked):
        await sparklayer.settings.set_base_currency("EUR", Lane.LIVE)
    assert steps(fake) == [SETTING]


@pytest.mark.holds("A3")
async def test_a_refusal_that_comes_once_sets_no_store_currency(
    sparklayer: SparkLayer, fake: Any, autojump_clock: MockClock
) -> None:
    fake.answers = [httpx.Response(403, json={"title": "no", "detail": "no"})]
    began = trio.current_time()
    with pytest.raises(Retry) as failure:
        await sparklayer.settings.set_base_currency("GBP", Lane.LIVE)
    assert (failure.value.reason, failure.value.after) == ("answers_differ", 60.0)
    assert trio.current_time() - began >= 2
    await sparklayer.settings.set_base_currency("GBP", Lane.LIVE)
    assert steps(fake) == [SETTING] * 3


@pytest.mark.holds("A1")
@pytest.mark.parametrize("status", [400, 403, 404, 405, 422])
@pytest.mark.parametrize("before", [0, 1])
async def test_a_refusal_by_something_in_between_sets_no_store_currency(
    sparklayer: SparkLayer, fake: Any, autojump_clock: MockClock, status: int, before: int
) -> None:
    page = httpx.Response(status, html="<h1>Global settings unavailable for updates</h1>")
    fake.answers = [httpx.Response(403, json={"title": "no", "detail": "no"})] * before + [page] * 3
    with pytest.raises(Retry) as failure:
        await sparklayer.settings.set_base_currency("GBP", Lane.LIVE)
    assert failure.value.reason == "foreign_answer"
    assert set(steps(fake)) == {SETTING}
