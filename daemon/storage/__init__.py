"""The only place that knows SQL and asyncio.

| file | contents |
|---|---|
| database | the storage of a daemon, and its opening |
| group_commit | commits of many calls together, without a dialect; operations, which are committed so |
| sqlite | SQLite's connections, errors and log |
| postgres, postgres_session | PostgreSQL's connections, errors and limits; several statements in one round trip |
| postgres_server, odd_texts, failover | servers that are refused; texts that cannot be held; a server's failover |
| lock, backup, restore, glance, move | the database file: one process, copies; looks from outside; another engine |
| tables, operator_tables, columns, migrate | the schema and its history |
| upsert, prepared | statements for every dialect; those of the hot path compiled once |
| vault | encryption at rest, and the fingerprint |
| states, age | states with the steps between them; ages by a clock that may be wrong |
| connections, installs | the stores that are linked to sites, and how they come and go; the installs of apps |
| outbox, parked | the pending changes with their life; as people see them, and the parked ones |
| settle, dependencies | the outcomes of a batch; entities that wait for others, parents and circles |
| ledger, removals, leftovers | what SparkLayer was last told; the removal brake; the rest of a lost database |
| full_syncs, resync | runs with their life; runs after a changed setting or location |
| sweeps, gaps | the last catch-ups, and times in which webhooks were missing |
| issues, sync_log | what the merchant must fix, and what SparkLayer has not been told yet |
| registrations, adapter_state | a connection's webhooks, its adapter's entries |
| history, overview, counts | for people and metrics: past settlements, one connection or entity, all of them |
| audit, notifications | what operators did, and what receivers were told |
| leases, last_word | several nodes: who works on what, and what a lost one may have sent |
| notify, standing | what other nodes have committed: by a message, or by a look |
| dry_run | the rows that a dry run works on |
"""
