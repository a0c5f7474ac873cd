"""The line itself: outbox -> actor: read -> map -> diff -> push -> settle -> sync-log.

| file | its noun |
|---|---|
| line | one connection with everything it is worked on with |
| actor | takes due changes of one kind from the outbox, a batch at a time |
| pipeline | one batch from reading to settling |
| entry, diff | what SparkLayer was last told, and what it must be told now (pure) |
| push | the calls of a batch |
| full_sync | the runs over every entity of a kind |
| sync_log | the one writer of a sync-log |
| site | what a site needs before products can be pushed |
| gate | whether a connection may work now, and the probe that opens it again |
| supervisor | the nurseries, and who is started again |
"""
