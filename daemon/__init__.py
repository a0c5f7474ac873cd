"""Ignite Sync: keeps a SparkLayer site in step with an e-commerce store.

The whole daemon is one line, on which data only ever moves to the right:

    webhook / trigger / sweep -> outbox -> actor: read -> map -> brake -> diff -> push -> settle -> sync-log

Start reading at `daemon.model` and `daemon.entities`, then `daemon.engine` (the line), then `daemon.composition`, which
builds all parts, and `daemon.app`, which runs them.
"""

__version__ = "0.1.0"
