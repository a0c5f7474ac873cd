"""The gate of the SparkLayer stand-in: site, token, rate limit."""

from typing import Any

import pytest

from daemon.sandbox.message import Refused
from daemon.sandbox.sparklayer.gate import Bucket


async def test_a_form_gets_no_token(harness: Any) -> None:
    async with harness() as running:
        form = {"grant_type": "client_credentials", "client_id": "sandbox-client", "client_secret": "sandbox-key"}
        assert (await running.site("POST", "/api/auth/token", data=form)).status_code == 400
        assert (await running.site("POST", "/api/auth/token", form | {"client_secret": "no"})).status_code == 401


@pytest.mark.parametrize("headers", [{"Site-Id": "another"}, {"Site-Id": ""}, {"Authorization": "Bearer no"}])
async def test_every_call_needs_site_and_token(harness: Any, headers: dict[str, str]) -> None:
    async with harness() as running:
        assert (await running.site("GET", "/api/v1/price-lists")).status_code == 200
        assert (await running.site("GET", "/api/v1/price-lists", headers=headers)).status_code == 401


async def test_tokens_expire_and_can_be_revoked(harness: Any) -> None:
    async with harness() as running:
        tokens = running.sandbox.sparklayer.tokens
        tokens.revoke()
        assert (await running.site("GET", "/api/v1/price-lists")).status_code == 401
        await running.log_in()
        assert (await running.site("GET", "/api/v1/price-lists")).status_code == 200
        tokens.key_revoked = True
        assert (await running.site("GET", "/api/v1/price-lists")).status_code == 401
        tokens.key_revoked, tokens.seconds = False, 0
        assert (await running.log_in()).json()["expires_in"] == 0
        assert (await running.site("GET", "/api/v1/price-lists")).status_code == 401


@pytest.mark.parametrize(("form", "pattern"), [("none", None), ("seconds", "1"), ("date", "GMT")])
async def test_the_rate_limit_refuses_and_may_say_when_to_come_back(mock_clock: Any, form: Any, pattern: Any) -> None:
    bucket = Bucket(rate=2.0, burst=2, retry_after=form)
    for _ in range(2):
        bucket.take()
    with pytest.raises(Refused) as refused:
        bucket.take()
    told = refused.value.response.headers.get("retry-after", "")
    assert refused.value.response.status == 429
    assert told == "" if pattern is None else pattern in told
    mock_clock.jump(0.5)
    bucket.take()
    assert bucket.refused == 1
