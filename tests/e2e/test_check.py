"""`ignite-sync check` as an operator meets it, before the daemon is ever started."""

import socket

import pytest

from daemon.sandbox import answer
from tests.e2e.harness import OpenHarness

NO_SCOPE = (
    '{"status": 403, "title": "You don\'t have a required scope to access the endpoint", "type": "", "errors": {}}'
)


@pytest.mark.holds("O7")
async def test_the_port_of_the_running_daemon_is_no_trouble(harness: OpenHarness) -> None:
    async with harness() as h:
        code, output, _ = await h.process.command("check")
        assert code == 0, output
        assert f"ok      listener.port: 127.0.0.1:{h.process.port} is in use by the running daemon\n" in output


async def test_a_token_without_scopes_is_told_with_the_remedy(harness: OpenHarness) -> None:
    async with harness(start=False) as h:
        h.shop.faults.add("GET */v3/catalog/products", answer(403, NO_SCOPE, {"content-type": "application/json"}))
        code, output, errors = await h.process.command("check")
        assert (code, errors) == (1, "")
        (failed,) = [line for line in output.splitlines() if not line.startswith(("ok ", "note "))]
        assert failed.startswith("FAILED  test/sandbox BigCommerce: BigCommerce answered 403: You don't have")
        remedy = "the scopes of an API account cannot be changed: create one that has all of them, read-only"
        assert failed.endswith(f"; it needs the right to read: Products, Store inventory, Store locations; {remedy}")


async def test_a_port_that_is_taken_ends_the_daemon_with_2_and_one_line(harness: OpenHarness) -> None:
    async with harness(start=False) as h:
        with socket.create_server(("127.0.0.1", h.process.port)):
            done = await h.process.command("run")
        words = "cannot be used (Address already in use); choose another port, or stop the program that uses it"
        assert done == (2, "", f"ignite-sync: listener.port: 127.0.0.1:{h.process.port} {words}\n")


@pytest.mark.holds("O7")
async def test_all_that_is_wrong_is_told_in_one_run(harness: OpenHarness) -> None:
    """Settings, the port and a credential; a setting that is wrong decides the exit code."""
    async with harness(start=False) as h:
        h.shop.faults.add("GET *", answer(401, "{}", {"content-type": "application/json"}))
        with socket.create_server(("127.0.0.1", h.process.port)):
            h.process.config.write_text('[logging]\nlevel = "loud"\n' + h.process.config.read_text())
            code, output, errors = await h.process.command("check")
        failed = [line.removeprefix("FAILED  ") for line in output.splitlines() if line.startswith("FAILED")]
        assert (code, errors, len(failed)) == (2, "", 3), output
        assert failed[0].startswith(f"{h.process.config}: logging.level: must be one of ")
        assert failed[1].startswith("listener.port: 127.0.0.1:")
        assert failed[2].startswith("test/sandbox BigCommerce: ")
