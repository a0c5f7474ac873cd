"""The only place that knows SQL and asyncio.

| file | its noun |
|---|---|
| database | whole transactions, grouped by one writer |
| tables, migrate | the schema and its history |
| prepared | statements of the hot path, put into words once |
| vault, rotation | what is encrypted, and the fingerprint |
| connections | which stores are linked to which sites, and how they come and go |
| installs | where an app is installed, and which sites wait for that |
| outbox, parked | the pending changes, and those that used up their retries |
| settle | what becomes of a batch: rows, ledger, issues and counts together |
| ledger | what SparkLayer was last told, and who owns which key |
| adapter_state | an adapter's entries |
| full_syncs | runs over every entity of a kind |
| sweeps | since when a kind was not swept, and what a sweep found |
| freshness | which entities were settled while a page was on its way |
| issues, sync_log | what the merchant must fix, and what SparkLayer has not been told yet |
| overview | counts of everything a connection has |
"""
