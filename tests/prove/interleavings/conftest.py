"""A server and a database for all tests of interleavings."""

from collections.abc import Iterator

import pytest

from daemon.model import Secret
from tests.postgres import SETTINGS, running
from tests.prove.interleavings.trial import Bench


@pytest.fixture(scope="module")
def url() -> Iterator[Secret]:
    with running((*SETTINGS, "deadlock_timeout=20ms")) as server, server.database() as url:
        yield url


@pytest.fixture(scope="module")
def bench(url: Secret) -> Iterator[Bench]:
    bench = Bench(url)
    yield bench
    bench.close()
