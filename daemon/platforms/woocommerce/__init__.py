"""WooCommerce: reads a shop on the merchant's own server through the REST API wc/v3 and its webhooks.

    settings, address                 settings of a connection; the one spelling of the shop's address (pure)
    client, refusal, foreign          API calls; failures from refused answers; names of foreign ones (pure)
    walk, since                       lists by offset, each row once; the start of a sweep
    adapter                           the `Platform` that the engine sees, with one reader for each kind
    products/, customers/, orders/    one kind each: reader, schema of the API's answers, mapping (pure)
    store                             the shop's own settings
    webhooks, hooks                   deliveries (pure); registration of webhooks
    lookup                            entities as people name them
    ids, amounts, meta                shared by all kinds

Facts were measured on WooCommerce 11.0.1; guesses are marked "inferred" where they are used.
"""
