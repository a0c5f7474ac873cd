"""One writer per kind: it turns a mapped batch into calls of SparkLayer, and each entity into an outcome.

| module | contents |
|---|---|
| `writer` | the loop, the same for every kind, and its hooks |
| `job` | the values that the loop works on (pure) |
| `products/`, `customers/`, `orders`, `store` | the writers of the kinds |
"""
