"""The line itself: outbox -> actor: read -> map -> diff -> push -> settle -> sync-log.

| file | its noun |
|---|---|
| line | one connection with everything it is worked on with |
| actor | takes due changes of one kind from the outbox, a batch at a time |
| pipeline | one batch from reading to settling |
| batch | a batch on its way, and its writer |
| products, customers | the writers of products and customers |
| orders, store | the writers of orders and of the store's settings |
| explanation | why an entity is, or is not, in SparkLayer as it is |
| jobs | what of a batch must be written, where an entity has one print |
| handoff | contents of pages on their way to the pipeline |
| full_sync | the runs over every entity of a kind |
| sweep | the periodic catch-up on what webhooks missed |
| sync_log | the one writer of a sync-log |
| site | what a site needs before products can be pushed |
| pause | a stop of a connection or a kind, and the probe that ends it |
| signal | a wake-up flag |
| works | the tasks of one connection, and which of them is started again |
| supervisor | the runners of all connections, which come and go |
| task_group | tasks that come and go by key |
"""
