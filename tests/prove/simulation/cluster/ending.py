"""The quiet part of a run with several nodes."""

from tests.prove.simulation.cluster.world import ClusterWorld
from tests.prove.simulation.ending import quiet as quiet_of_one


async def quiet(world: ClusterWorld) -> None:
    """Play the quiet part; then compare SparkLayer's sync-log with what it was to be told."""
    await quiet_of_one(world)
    if not world.audit.breaches:
        compare_logs(world)


def compare_logs(world: ClusterWorld) -> None:
    """Note whatever differs between SparkLayer's sync-log and the database."""
    for (_, kind), log in world.site.state.sync_log.logs.items():
        told = set(log.errors)
        issues = {row[0] for row in world.disk.rows("SELECT external_id FROM issues WHERE kind = ?", kind)}
        if told != issues:
            world.audit.breach(f"the sync-log of {kind} has other errors:", sorted(told), "instead of", sorted(issues))
        query = "SELECT max(finished_at) FROM full_syncs WHERE kind = ? AND state = 'ended' AND succeeded IS NOT NULL"
        [(finished,)] = world.disk.rows(query, kind)
        world.trace.add("sync-log", kind, log.get("last_full_sync"), finished)
