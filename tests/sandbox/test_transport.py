"""A client without sockets meets what a client over HTTP meets: statistics, faults, resets, answers cut off."""

import httpx
import pytest

from daemon.sandbox import SparkLayer, SparkLayerOptions, answer, reset, truncate
from daemon.sandbox.faults import Act
from daemon.sandbox.message import Request, Response
from daemon.sandbox.transport import InProcess
from tests.each import each

PATH = "/api/v1/store-currency"


async def test_every_request_is_counted_and_seen_with_its_answer() -> None:
    site = SparkLayer(SparkLayerOptions(), "http://site.test")
    seen: list[tuple[Request, Response]] = []
    site.faults.add("GET *", answer(503), times=1)
    async with httpx.AsyncClient(transport=InProcess(site, lambda *both: seen.append(both))) as client:
        answers = [await client.get(site.url + PATH, params={"a": "b"}) for _ in range(2)]
    assert [one.status_code for one in answers] == [503, 401]
    assert site.statistics.calls == {f"GET {PATH}": 2}
    assert [(request.path, request.query, response.status) for request, response in seen] == [
        (PATH, "a=b", 503),
        (PATH, "a=b", 401),
    ]


@each(("fault", "error"), [(reset(), httpx.ReadError), (truncate(), httpx.RemoteProtocolError)])
async def test_a_connection_that_breaks_is_an_error_of_the_client(fault: Act, error: type[Exception]) -> None:
    site = SparkLayer(SparkLayerOptions(), "http://site.test")
    site.faults.add("GET *", fault, after_effect=True)
    async with httpx.AsyncClient(transport=InProcess(site)) as client:
        with pytest.raises(error):
            await client.get(site.url + PATH)
