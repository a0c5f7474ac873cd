"""The only place that knows SQL and asyncio.

| file | its noun |
|---|---|
| database | whole transactions, grouped by one writer |
| tables, migrate | the schema and its history |
| prepared | statements of the hot path, put into words once |
| vault, rotation | what is encrypted, and the fingerprint |
| connections | which stores are linked to which sites, and how they come and go |
| installs | where an app is installed, and which sites wait for that |
| states, operation | states with the steps between them; functions that the writer commits in groups |
| outbox, parked | the pending changes with their life, and those that used up their retries |
| settle, dependencies | the outcomes of a batch: rows, ledger, issues and counts together; who waits for whom |
| ledger | what SparkLayer was last told, and who owns which key |
| adapter_state | an adapter's entries |
| full_syncs | runs over every entity of a kind, with their life |
| sweeps | since when a kind was not swept, and what a sweep found |
| issues, sync_log | what the merchant must fix, and what SparkLayer has not been told yet |
| overview | counts of everything a connection has |
"""
