"""Customers with their addresses.

| module | contents |
|---|---|
| `plan` | parents, the order of a batch, and the owners of its e-mail addresses (pure) |
| `exchange` | one customer's read and write |
| `writer` | the writer, which joins these |
"""
