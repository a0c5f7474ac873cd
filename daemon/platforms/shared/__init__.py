"""Parts that adapters share.

| file | contents |
|---|---|
| readers, lookup | pass the engine's calls, and a person's search, on by kind |
| rows, odd | rows decoded one by one; fields of undocumented types (both pure) |
| page_size | the number of entities to ask for in one call |
| short_answers, second_look | lists that are too short, or empty |
| secondary | calls for a part of an entity |
| customers/, orders/ | B2B attributes and countries; an order's cart, dates, and lines in packages (all pure) |
| amounts, numbers, weights, dates | values as platforms write them (pure) |
"""
