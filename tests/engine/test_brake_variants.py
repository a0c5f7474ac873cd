"""The removal brake and variants: those of a held product, and SKUs that move between variants."""

from typing import Any

import pytest
from attrs import evolve
from trio.testing import MockClock

from daemon.model import Kind
from daemon.sandbox.sparklayer.api import SparkLayerOptions
from daemon.storage.states import RunMode
from tests.engine import losses
from tests.engine.fakes import product
from tests.engine.losses import GOING, WAYS


@pytest.mark.holds("B1")
@pytest.mark.parametrize(
    ("way", "mode"), [*((way, "merge") for way in WAYS), ("live", "replace"), ("normal", "replace")]
)
async def test_all_but_the_vanished_variants_of_a_held_product_is_pushed(
    autojump_clock: MockClock, way: str, mode: Any
) -> None:
    async with losses.filled(Kind.PRODUCTS, options=SparkLayerOptions(variants=mode)) as (bench, syncs):
        before = bench.site.state.comparable()
        for key in GOING:
            bench.shop.put(product(key, {f"{key}1": f"S{key}"}, title="New", stock=7, price="1.00"))
        await losses.go(bench, syncs, way, GOING)
        held = {one["id"]: one["variant"] for one in await losses.held(bench)}
        assert list(held) == GOING
        now = bench.site.state.comparable()
        assert {now["products"][key]["title"] for key in GOING} == {"New"}
        assert {bench.stock()[f"S{key}"] for key in GOING} == {7}
        for key, variant in held.items():
            assert now["products"][key]["variants"][variant] == before["products"][key]["variants"][variant]
            assert now["stock"][f"T{key}"] == before["stock"][f"T{key}"]
            assert bench.prices()[f"T{key}"] == 9.5
        writes = bench.writes
        await losses.go(bench, syncs, RunMode.NORMAL)
        assert bench.writes == writes, "a pass that finds nothing new writes nothing"


async def test_a_sku_that_moves_to_another_variant_is_no_removal(autojump_clock: MockClock) -> None:
    async with losses.filled(Kind.PRODUCTS) as (bench, syncs):
        for key in GOING:
            old = bench.shop.products[key]
            moved = tuple(evolve(one, external_id=f"{one.external_id}9") for one in old.variants)
            bench.shop.put(evolve(old, variants=moved))
        await losses.go(bench, syncs, "live", GOING)
        assert await losses.held(bench) == []
        assert losses.there(bench) == losses.left(bench, "", [])
        state = bench.site.state.comparable()["products"]
        assert all(state[key]["variants"][f"{key}19"]["status"] == "live" for key in GOING)
