"""Decides which parent SparkLayer is told of, for each customer of a batch that names one. Pure.

A customer waits only for a parent that is yet to be read: one with a row in the outbox, or one that may be on a page
that the customer's run has not read. Where SparkLayer lacks any other parent, the customer is synced without one, and
looked at again once the parent is confirmed. A circle is broken at its lowest id: that customer is synced without a
parent, all others below theirs.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from attrs import evolve, frozen

from daemon.engine.unique_keys import by_age
from daemon.engine.writers.customers.plan import Link, Standing
from daemon.model import ExternalId
from daemon.storage.families import Relations


@frozen(kw_only=True)
class Family:
    """A batch, and what is known of the parents in it.

    `named` has the parents of the customers that name one. SparkLayer should have all `members`, and should not have
    those `going`. This batch has the final word on those `decided`. SparkLayer holds those in `alone` without a parent.
    Those in `early` belong to a run with pages that are not read yet.
    """

    named: Mapping[ExternalId, ExternalId]
    members: AbstractSet[ExternalId]
    going: AbstractSet[ExternalId]
    decided: AbstractSet[ExternalId]
    alone: AbstractSet[ExternalId]
    early: AbstractSet[ExternalId]
    relations: Relations


def find_links(family: Family) -> dict[ExternalId, Link]:
    """Return the link of each customer that names a parent."""
    links = {child: _link(family, child, parent) for child, parent in family.named.items()}
    # A grandchild waits as well, and so on down.
    while True:
        # Their parents in the batch wait themselves, and SparkLayer does not have these yet.
        coming = {child for child, link in links.items() if link.standing == "coming"} - family.relations.rows.keys()
        waiting = {child for child, link in links.items() if link.standing == "told" and link.parent in coming}
        if not waiting:
            return links
        links |= {child: evolve(links[child], standing="coming") for child in waiting}


def _link(family: Family, child: ExternalId, parent: ExternalId) -> Link:
    relations = family.relations
    if circle := _circle(family, child, parent):
        lowest = min(circle, key=by_age)
        if lowest == child:
            return Link(parent=parent, standing="circle")
        # The lowest one is not in this batch, and SparkLayer was told of its parent: it must lose that first.
        edge = relations.edges.get(lowest)
        if lowest not in family.members and edge is not None and edge.told in circle:
            return Link(parent=parent, standing="coming", first=lowest)
    row = relations.rows.get(parent)
    standing: Standing = "missing"
    if parent in family.members or (row is not None and row.fingerprint is not None and parent not in family.going):
        standing = "told"
    elif child in family.alone or parent in family.going:
        standing = "missing"
    elif (parent in relations.coming and parent not in family.decided) or child in family.early:
        standing = "coming"
    elif row is not None:
        standing = "told"  # SparkLayer may have it, and says so if it does not
    return Link(parent=parent, standing=standing)


def _circle(family: Family, child: ExternalId, parent: ExternalId) -> list[ExternalId]:
    """Return the customers of the circle that `child` is in; empty if it is in none."""
    ancestry, above = [child], parent
    while above not in ancestry:
        ancestry.append(above)
        edge = family.relations.edges.get(above)
        read = above in family.members or above in family.going
        named = family.named.get(above) if read or edge is None else edge.named
        if named is None:
            return []
        above = named
    return ancestry if above == child else []
