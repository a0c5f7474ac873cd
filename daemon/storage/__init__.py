"""The only place that knows SQL and asyncio.

| file | contents |
|---|---|
| database | the storage of a daemon, and its opening |
| writer | group commit, without a dialect |
| sqlite | SQLite's connections, errors and log |
| postgres, odd_texts | PostgreSQL's connections, errors and limits; texts that it cannot hold |
| lock, backup, restore, glance | the database file: one process, copies; looks from outside |
| tables, migrate | the schema and its history |
| upsert, prepared | statements for every dialect; those of the hot path compiled once |
| vault, rotation | encryption at rest, and the fingerprint |
| connections | the stores that are linked to sites, and how they come and go |
| installs | the installs of apps, and the sites that wait for one |
| states, operation | states with the steps between them; functions that the writer commits in groups |
| outbox, parked | the pending changes with their life, and those that used up their retries |
| settle, dependencies | the outcomes of a batch: rows, ledger, issues and counts; entities that wait for others |
| ledger, leftovers | what SparkLayer was last told, the owners of keys, the rest of a lost database |
| adapter_state | an adapter's entries |
| leases, last_word, second_looks, stale_parts | several nodes: who works on what, and what a lost one may have sent |
| full_syncs | runs over every entity of a kind, with their life |
| sweeps, censuses, gaps | the time since a kind was swept, and times in which webhooks were missing |
| issues, sync_log | what the merchant must fix, and what SparkLayer has not been told yet |
| registrations, stock_locations | a connection's webhooks, and its stock location |
| overview | counts of everything that a connection has |
"""
