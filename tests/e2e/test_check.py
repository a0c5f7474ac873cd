"""`ignite-sync check` as an operator meets it, before the daemon is ever started."""

import pytest

from daemon.sandbox import answer
from tests.e2e.harness import OpenHouse

NO_SCOPE = (
    '{"status": 403, "title": "You don\'t have a required scope to access the endpoint", "type": "", "errors": {}}'
)


async def test_what_can_be_used_is_ok(house: OpenHouse) -> None:
    async with house(start=False) as h:
        code, output, _ = await h.process.command("check")
        assert code == 0, output
        assert "ok      test/sandbox BigCommerce: answers, and knows the credentials" in output


@pytest.mark.parametrize("path", ["/v2/store", "/v3/catalog/products"])
async def test_a_token_without_scopes_is_told_with_the_remedy(house: OpenHouse, path: str) -> None:
    async with house(start=False) as h:
        h.shop.faults.add(f"GET *{path}", answer(403, NO_SCOPE, {"content-type": "application/json"}))
        code, output, errors = await h.process.command("check")
        assert (code, errors) == (1, "")
        (failed,) = [line for line in output.splitlines() if not line.startswith(("ok ", "note "))]
        assert failed.startswith("FAILED  test/sandbox BigCommerce: BigCommerce answered 403: You don't have")
        assert failed.endswith(
            "; the API account must be allowed to read products, inventory, locations and store information"
        )
