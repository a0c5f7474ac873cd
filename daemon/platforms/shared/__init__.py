"""Parts that adapters share.

| file | contents |
|---|---|
| readers, lookup | pass the engine's calls, and a person's search, on by kind |
| rows, odd | rows decoded one by one; fields of undocumented types (both pure) |
| page_size | the number of entities to ask for in one call |
| short_answers, second_look | lists that are too short, or empty |
| secondary | calls for a part of an entity |
| customers/ | B2B attributes and countries (pure) |
| order_fields, line_allocation | an order's cart and dates, and its lines in packages (pure) |
| amounts, numbers, weights, dates | values as platforms write them (pure) |
"""
