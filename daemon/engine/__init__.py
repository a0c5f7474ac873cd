"""The pipeline: outbox -> actor: read -> map -> brake -> diff -> push -> settle -> sync-log.

| file | contents |
|---|---|
| context | the state that the tasks of a connection share |
| runner, supervisor, task_group | the tasks of a connection; of all connections; tasks by key |
| actor | due changes of one kind, taken from the outbox a batch at a time |
| pipeline, reading, batch | a batch from reading to settling; its read from the platform; its data |
| stragglers | many jobs at a time without waiting for the slow ones |
| unique_keys | owners of SKUs, e-mail addresses and carts |
| writers/ | a writer per kind: what is sent to SparkLayer |
| explanation, pull | answers to a person, or to SparkLayer |
| full_sync, leftovers, dry_run | runs over every entity of a kind; leftovers of a lost database; a rehearsal |
| census | removals without a webhook |
| sweep, gaps, deliveries | missed webhooks: periodic catch-up, known gaps, signs of new ones |
| registration | the registering of webhooks |
| sync_log | the one writer of a sync-log |
| page_cache, pause, signal | one primitive each |
"""
