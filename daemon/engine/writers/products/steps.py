"""Describes a product's plan to a person. Pure."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet

from daemon.engine.explanation import DIFFERS, GONE, NEVER_TOLD, UNSURE, Step
from daemon.engine.writers.products.diff import ProductPlan
from daemon.model import Sku


def steps_of(plan: ProductPlan) -> Iterator[Step]:
    """Yield what would be sent for one product, and why."""
    before = plan.job.before
    if plan.writes_product:
        what = "PATCH the product" if before and before.ours else "POST the product"
        twice = ", twice, since it gives a SKU up" if None not in plan.rounds else ""
        yield Step(what + twice, _why(plan))
    for variant in plan.vanished:
        yield Step(f"discontinue its variant {variant}", "the product no longer has it")
    held = before.stock if before else {}
    prices = before.prices if before else {}
    yield from _rows("set the stock of", plan.stock, held)
    yield from _rows("set the price of", plan.prices, prices)
    yield from (Step(f"remove the stock of {sku}", "its stock is untracked") for sku in sorted(plan.removed_stock))
    yield from (Step(f"remove the price of {sku}", "it no longer has a price") for sku in sorted(plan.removed_prices))


def _why(plan: ProductPlan) -> str:
    before = plan.job.before
    if plan.job.value is None:
        return GONE
    if before is None:
        return NEVER_TOLD
    return UNSURE if before.product is None else DIFFERS


def _rows(what: str, skus: AbstractSet[Sku], held: Mapping[Sku, bytes | None]) -> Iterator[Step]:
    for sku in sorted(skus):
        yield Step(f"{what} {sku}", NEVER_TOLD if sku not in held else UNSURE if held[sku] is None else DIFFERS)
