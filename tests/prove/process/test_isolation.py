"""A slow, failing or flooding connection never delays another one, in one real process."""

from collections.abc import Mapping
from pathlib import Path

from daemon.sandbox import synthetic
from tests.prove.process.neighbours import open_connection_row

NEIGHBOURS = 8
FLOOD = 400
"""Webhooks: more than one batch."""


async def test_six_others_are_served_while_a_flood_waits_and_a_site_hangs(tmp_path: Path) -> None:
    """In one process. All of the flood came before their changes, and all of it still waits when those have arrived."""
    async with open_connection_row(tmp_path, [synthetic(3) for _ in range(NEIGHBOURS)]) as row:
        await row.in_step()
        flooded, hanging, *others = row.harnesses
        async with flooded.shop.faults.hold("GET *") as reads, hanging.site.faults.hold("*") as calls:
            hanging.store.set_title(1, "Hangs")
            for product_id in range(FLOOD):
                await row.webhook(0, 1_000_000 + product_id)
            await reads.arrived()
            await calls.arrived()
            assert await row.waiting(0) == FLOOD
            for other in others:
                other.store.set_title(1, "Renamed beside a flood")
            await others[0].until(lambda: not any(other.unequal for other in others))
            assert (await row.waiting(0), await row.waiting(1)) == (FLOOD, 1)
            assert hanging.unequal
            assert _given_up(await row.process.metrics()) == 0, "nor did they have to wait for an end of the waiting"
        await row.in_step()


def _given_up(metrics: Mapping[str, float]) -> float:
    """Return how many requests had no answer."""
    return sum(number for name, number in metrics.items() if "api_requests_total" in name and '"error"' in name)
