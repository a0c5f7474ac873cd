"""Ages of stored times, by a clock that may have been wrong when they were written, or may be wrong now.

A time that lies ahead was written by a wrong clock, so its age is unknown. Where something becomes due with age, it is
due (`age`). Where something counts while it is new, or is given up when it is old, it is new (`age_if_known`, and in
SQL an `UPDATE` to the present):

    stored time                     when it lies ahead
    outbox.due_at                   due, when further ahead than any backoff
    outbox.first_queued_at          the present, at the next change of the entity
    full_syncs.started_at           the daily read is due; at the run's end it is corrected, and SparkLayer told
    sync_log.last_full_sync         told as the present at the start of the next run, the daily read included
    sweeps.since                    everything is read: the last sweep is unknown
    censuses.began_at               the census is due
    removals.decided_at             the present: it counts for one more hour, and a second look waits its seconds
    connections.leaving_since       the clean-up has its whole day
    pending_connections.asked_at    the present: it is kept for its 30 days
    install_states.asked_at         no longer valid
    notifications.told_at           the digest of issues is due
    notifications.told_until        the present
    issues.opened_at, and others    shown only

A clock that is a year ahead makes everything due and the brake's hour over, and ends pending connections; it gives a
clean-up another quarter of an hour. One that is a year behind makes stored times lie ahead. What is timed within the
process (breaker, rights, refusals, tokens, throttle, the stragglers' hour) uses trio's clock, which does not jump.
"""

from math import inf


def age(stored: float, now: float) -> float:
    """Return how many seconds ago a stored time was; infinite for one that lies ahead."""
    return now - stored if stored <= now else inf


def age_if_known(stored: float, now: float) -> float:
    """Return how many seconds ago a stored time was; 0 for one that lies ahead."""
    return max(0.0, now - stored)
