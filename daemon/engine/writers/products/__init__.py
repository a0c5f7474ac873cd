"""Products with their variants, stock and default prices.

| module | contents |
|---|---|
| `diff` | the ledger's parts of a product, and what is sent for a batch (pure) |
| `terms` | the price list and the stock location of the site |
| `push` | single product writes, bulk calls for stock and prices |
| `outcome` | the outcome of one product (pure) |
| `writer` | the writer, which joins these |
"""
