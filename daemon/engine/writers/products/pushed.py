"""What the calls of a batch have come to: written by `push`, judged by `outcome`."""

from attrs import define, field

from daemon.engine.writers.products.entry import Entry
from daemon.model import ExternalId, Sku


@define
class PushResult:
    """What became of a batch.

    `failures` has the entities whose product was not written, and why. A SKU in `stock` or `prices` was confirmed,
    be it set or removed; one in `refused` SparkLayer will not take, in its words; one in `undone` was not confirmed.
    `met` has what SparkLayer holds of products that the ledger did not know: they are to be planned again with that.
    Products in `late` are still being written. Those in `behind` were
    when the rest of the batch went on: nothing but the product itself is sent of them.
    """

    failures: dict[ExternalId, Exception] = field(factory=dict)
    products: set[ExternalId] = field(factory=set)
    stock: set[Sku] = field(factory=set)
    prices: set[Sku] = field(factory=set)
    refused: dict[Sku, str] = field(factory=dict)
    undone: dict[Sku, Exception] = field(factory=dict)
    adopted: dict[ExternalId, Entry] = field(factory=dict)
    late: set[ExternalId] = field(factory=set)
    behind: frozenset[ExternalId] = frozenset()
