"""The short form of the takeovers; `make cluster TRIALS=20 MINUTES=5` tries more of them, and many connections."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.postgres import Server
from tests.prove.cluster.nodes import open_nodes
from tests.prove.cluster.takeover import CUT, NEVER_OVER, SYNC, take_over

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(400)]


@pytest.mark.parametrize("events", [("SIGTERM", "SIGKILL"), ("SIGSTOP", "partition")], ids="-".join)
async def test_the_other_node_takes_over_and_nothing_is_lost(
    tmp_path: Path, server: Server, chance: random.Random, events: Sequence[str]
) -> None:
    async with open_nodes(
        tmp_path, server, chance, SYNC, connections=1, products=20, cut=bool(CUT & set(events))
    ) as nodes:
        for event in events:
            for at_call in (True, False):
                takeover = await take_over(nodes, event, at_call=at_call)
                assert takeover.written < NEVER_OVER, event
