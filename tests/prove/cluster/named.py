"""`python -m tests.prove.cluster.named NAME run --config FILE`: the real command, whose requests carry its node's name.

So a stand-in can tell the nodes apart, and sees when a request began. As `NAME:BUG` it has one of `BUGS`, to be found.
"""

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from daemon.__main__ import main
from daemon.connections import cluster
from daemon.storage import leases
from daemon.transport.http import Answer, Api

HEADER = "x-node"
BEGAN = "x-began"


def _never_unsure() -> None:
    cluster.SURE_SECONDS = 3600.0


def _unfenced() -> None:
    _never_unsure()
    leases.fence = lambda _conn, asked: set(asked)  # type: ignore[assignment]  # planted


BUGS: Mapping[str, Callable[[], None]] = {"never unsure": _never_unsure, "no fence": _unfenced}


def name_requests(node: str) -> None:
    """Have every request of this process carry the node's name."""
    send = Api.send

    async def send_named(api: Api, *args: Any, **options: Any) -> Answer:
        named = {**(options.get("headers") or {}), HEADER: node, BEGAN: str(time.time())}
        return await send(api, *args, **{**options, "headers": named})

    Api.send = send_named  # type: ignore[method-assign, assignment]  # that is the purpose


if __name__ == "__main__":
    name, _, bug = sys.argv.pop(1).partition(":")
    name_requests(name)
    if bug:
        BUGS[bug]()
    main()
