"""Random histories of a store, synced to a strict SparkLayer, end in equal states.

Products appear and vanish, variants come and go, SKUs move, swap and go round between products; changes come in
batches of random size; writes fail before and after their effect. Then a full pass without failures must make both
sides equal, and a second one must find nothing to write.
"""

import random
from decimal import Decimal

from attrs import evolve

from daemon.entities import Product, Status, StockLevel
from daemon.model import Sku
from daemon.sandbox.faults import answer, reset
from daemon.sandbox.sparklayer.api import SparkLayerOptions
from daemon.sandbox.sparklayer.products import Mode
from tests.engine.fakes import Bench, open_bench, product

PRODUCTS = tuple(str(number) for number in range(1, 6))
SKUS = tuple("ABCDEFG")
MODES: tuple[Mode, ...] = ("merge", "replace")


def _product(chance: random.Random, external_id: str, skus: list[str]) -> Product:
    """Return a product with these SKUs at some of its variants."""
    variants = chance.sample([f"{external_id}{number}" for number in range(1, 5)], len(skus))
    made = product(external_id, dict(zip(variants, skus, strict=True)), title=chance.choice(["Old", "New"]))
    return evolve(
        made,
        stock={Sku(sku): StockLevel(chance.randrange(3)) for sku in skus if chance.random() < 0.7},
        prices={Sku(sku): Decimal(chance.randrange(1, 4)) for sku in skus if chance.random() < 0.9},
    )


def _rearranged(chance: random.Random) -> dict[str, Product]:
    """Redistribute the SKUs among products, each once: moves, swaps and cycles of any length."""
    hands: dict[str, list[str]] = {one: [] for one in PRODUCTS if chance.random() < 0.8}
    for sku in SKUS:
        if hands and chance.random() < 0.8 and len(hand := hands[chance.choice(list(hands))]) < 4:
            hand.append(sku)
    return {one: _product(chance, one, hand) for one, hand in hands.items()}


def _disputed(chance: random.Random) -> dict[str, Product]:
    """Give every product SKUs, even those of other products."""
    return {
        one: _product(chance, one, chance.sample(SKUS, chance.randrange(4)))
        for one in PRODUCTS
        if chance.random() < 0.8
    }


def _mostly(chance: random.Random, old: dict[str, Product], new: dict[str, Product]) -> dict[str, Product]:
    """Change some products only."""
    chosen = {one for one in PRODUCTS if chance.random() < 0.5}
    kept = {one: held for one, held in old.items() if one not in chosen}
    return kept | {one: held for one, held in new.items() if one in chosen}


def _break(bench: Bench, chance: random.Random) -> None:
    """Make some writes fail until their caller gives up, with or without effect."""
    patterns = [f"PATCH */products/{chance.choice(PRODUCTS)}", "POST */products", "POST */batch-*-stock", "*/pricing"]
    for pattern in chance.sample(patterns, chance.randrange(3)):
        act = chance.choice(
            [
                answer(503),
                reset(),
                answer(400, '{"title": "no", "detail": "no"}'),
                answer(409, '{"title": "try later", "detail": "try later"}'),
            ]
        )
        bench.site.faults.add(pattern, act, after_effect=chance.random() < 0.5, times=chance.randrange(1, 8))


def _assert_equal(bench: Bench) -> None:
    """SparkLayer equals the store; exactly one of the products that dispute a SKU has it."""
    held, stock, prices = bench.skus(), bench.stock(), bench.prices()
    wanted: dict[Sku, list[Product]] = {}
    for one in bench.shop.products.values():
        for variant in one.variants:
            wanted.setdefault(variant.sku, []).append(one)
    assert held.keys() == wanted.keys()
    state = bench.site.state.comparable()["products"]
    for sku, claimants in wanted.items():
        owner = next((one for one in claimants if one.external_id == held[sku]), None)
        assert owner is not None, f"{sku} belongs to no product that wants it"
        own = [variant for variant in owner.variants if held[variant.sku] == owner.external_id]
        [(position, variant)] = [(place, one) for place, one in enumerate(own, 1) if one.sku == sku]
        there = state[owner.external_id]["variants"][variant.external_id]
        assert (there["sku"], there["status"], there["position"]) == (sku, Status.LIVE, position)
        assert state[owner.external_id]["title"] == owner.title
        assert stock.get(sku) == (owner.stock[sku].level if sku in owner.stock else None), sku
        price = owner.prices.get(sku)
        assert prices.get(sku) == (None if price is None else float(price)), sku
    assert stock.keys() | prices.keys() <= wanted.keys()


async def _quiet_pass(bench: Bench) -> None:
    bench.site.faults.clear()
    bench.shop.batch_size = 250
    await bench.change(*PRODUCTS)
    await _work(bench)


async def _work(bench: Bench) -> None:
    """Work, and approve the removals that the brake holds in such a small catalogue."""
    await bench.work()
    while await bench.allow_removals():
        await bench.work()


async def play(chance: random.Random, mode: Mode, *, disputes: bool, trouble: bool) -> None:
    """Play a history, then compare both sides after a pass without failures."""
    async with open_bench(SparkLayerOptions(variants=mode)) as bench:
        for _ in range(8):
            new = _disputed(chance) if disputes and chance.random() < 0.7 else _rearranged(chance)
            bench.shop.products = _mostly(chance, bench.shop.products, new) if disputes else new
            bench.shop.batch_size = chance.choice([1, 2, 3, 250])
            if trouble:
                _break(bench, chance)
            await bench.change(*(one for one in PRODUCTS if chance.random() < 0.8))
            await _work(bench)
        await _quiet_pass(bench)
        _assert_equal(bench)
        before = bench.writes
        await _quiet_pass(bench)
        assert bench.writes == before, "a pass that finds nothing new writes nothing"
        assert all(row["state"] == "parked" for row in (await bench.harness.rows()).values())


async def play_whole_batches(chance: random.Random, mode: Mode) -> None:
    """Play a history without disputes, whose changes all come in one batch: no write ever meets a taken SKU."""
    async with open_bench(SparkLayerOptions(variants=mode)) as bench:
        for _ in range(10):
            bench.shop.products = _rearranged(chance)
            await bench.change(*PRODUCTS)
            assert await bench.once() == len(PRODUCTS)
            await _work(bench)
            _assert_equal(bench)
            assert not [words for words in bench.refused if "sku" in words], "only a product that came back is known"
            assert await bench.issues() == {}
            assert await bench.harness.rows() == {}
