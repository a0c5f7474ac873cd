"""Customers with their addresses.

| module | contents |
|---|---|
| `parents` | the parent that SparkLayer is told of (pure) |
| `plan` | the order of a batch, and the owners of its e-mail addresses (pure) |
| `exchange` | one customer's read and write |
| `writer` | the writer, which joins these |
"""
