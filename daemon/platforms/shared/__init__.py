"""Parts that adapters share.

| file | contents |
|---|---|
| adapter, lookup | pass the engine's calls, and a person's search, on by kind |
| client | calls of the API through the throttle |
| hooks | the plan of the webhooks, and the registration that is told of |
| rows | rows decoded one by one; fields of undocumented types (pure) |
| page_size | the number of entities to ask for in one call; a list of ids in parts |
| mapping | entities with odd fields, and links to the store (pure) |
| short_answers | lists that are too short, or empty |
| secondary | calls for a part of an entity |
| products, customers, orders | the parts of an entity that are mapped alike (all pure) |
| amounts, dates | values as platforms write them (pure) |
"""
