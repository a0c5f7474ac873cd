"""Products with their variants, stock and default prices: what of a batch is sent, and what becomes of it.

| file | its noun |
|---|---|
| entry, diff | what SparkLayer was last told, and what it must be told now (pure) |
| push, pushed | the calls of a batch, and what became of them |
| steps | a plan in words (pure) |
| outcome | the outcome of one product (pure) |
| writer | the `Writer` of products: from a mapped batch to its outcomes |
"""
