"""A run is not at rest while a webhook is on its way, also one that its sender has done with."""

import random
from typing import cast

import pytest
import trio
from trio.testing import MockClock

from daemon.listener.http.messages import Request, Response
from daemon.sandbox.post import Unanswered
from tests.prove.simulation.delivery import LATE_SECONDS, WebhookDelivery
from tests.prove.simulation.life import Life
from tests.prove.simulation.trace import Trace


class _Daemon:
    """Accepts each webhook."""

    def __init__(self) -> None:
        self.received: list[bytes] = []

    async def ask(self, request: Request) -> Response:
        self.received.append(request.body)
        return Response(status=204)


@pytest.mark.parametrize(("share", "copies"), [("late", 1), ("twice", 2)])
async def test_a_webhook_that_will_still_come_is_under_way(autojump_clock: MockClock, share: str, copies: int) -> None:
    daemon = _Daemon()
    async with trio.open_nursery() as nursery:
        delivery = WebhookDelivery(
            life=lambda: cast("Life", daemon),
            chance=random.Random(1),
            trace=Trace(trio.current_time),
            accepted=lambda _headers, _body, _moment: None,
            moment=lambda: 0,
            nursery=nursery,
            late=float(share == "late"),
            twice=float(share == "twice"),
        )
        try:
            await delivery.post("http://daemon/hook", {}, b"{}")
        except Unanswered:
            assert daemon.received == []
        assert delivery.under_way == 1
        await trio.sleep(LATE_SECONDS)
        assert (delivery.under_way, len(daemon.received)) == (0, copies)
