"""The only place that knows SQL and asyncio.

| file | its noun |
|---|---|
| database | whole transactions, grouped by one writer |
| tables, migrate | the schema and its history |
| vault, rotation | what is encrypted, and the fingerprint |
| connections | which stores are linked to which sites |
| outbox | the pending changes |
| ledger | what SparkLayer was last told |
| full_syncs | runs over every entity of a kind |
| issues, sync_log | what the merchant must fix, and what SparkLayer has not been told yet |
"""
