"""The writes that arrive at SparkLayer's stand-in, with the node that sent each.

Two nodes must never write to one site at the same time, whichever entity; and a node's write must come after the node
has taken the lease, and before another one has. There is one exception: a node that was suspended between its look at
the lease and the request sends that one request when it wakes. Its last word then has the entity written once more.
"""

import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence

import trio
from attrs import define, field, frozen

from daemon.sandbox import SparkLayer
from daemon.sandbox.message import Request, Response
from daemon.sandbox.sparklayer.gate import TOKEN_PATH
from tests.prove.cluster.audit import Hand
from tests.prove.cluster.named import BEGAN, HEADER

READS = ("GET", "HEAD")
SYNC_LOG = "/sync-log/"
READ_BY_POST = ("/api/v1/batch-fetch-stock",)


@frozen(kw_only=True)
class Write:
    """A write that its node `began` to send, and that arrived at `at`, in seconds since the epoch."""

    began: float
    at: float
    node: str
    what: str


@define(eq=False)
class Watch:
    """The writes of every site, and what was wrong with them."""

    writes: dict[str, list[Write]] = field(factory=lambda: defaultdict(list))
    _wakings: list[tuple[str, float]] = field(factory=list)
    """The nodes that were woken, and when."""
    _overlaps: list[tuple[str, Write, Write]] = field(factory=list)
    _open: dict[str, dict[int, Write]] = field(factory=lambda: defaultdict(dict))
    """The writes under way, by the identity of their requests."""
    _arrived: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)

    def watch(self, site: SparkLayer) -> None:
        """Watch a site; other faults of it go between the two rules."""
        site.faults.add("*", self._begin)
        site.faults.add("*", self._end, after_effect=True)

    async def first_write(self, site_id: str, since: float, *, but: str) -> Write:
        """Wait for the first write of an entity since a time that is not of the node `but`."""
        while True:
            for write in self._since(site_id, since):
                if write.node != but and SYNC_LOG not in write.what:
                    return write
            await self._arrived.park()

    async def next_write(self, site_id: str, node: str) -> None:
        """Wait until a write of a node arrives."""
        count = len(self.writes[site_id])
        while not any(write.node == node for write in self.writes[site_id][count:]):
            await self._arrived.park()

    def woken(self, node: str) -> None:
        """Note that a suspended node is about to be woken."""
        self._wakings.append((node, time.time()))

    def strays(self, hands: Mapping[str, Sequence[Hand]]) -> list[str]:
        """Return the writes of nodes that did not have the site's lease."""
        strays, _ = self._judged(hands)
        return strays

    def overlaps(self, hands: Mapping[str, Sequence[Hand]]) -> list[str]:
        """Return the pairs of writes by two nodes at once."""
        _, excused = self._judged(hands)
        return [
            f"{site_id}: {write.what} by {write.node}, while {other.node} writes"
            for site_id, write, other in self._overlaps
            if not {id(write), id(other)} & excused
        ]

    def _judged(self, hands: Mapping[str, Sequence[Hand]]) -> tuple[list[str], set[int]]:
        """Return the writes without the lease, in words, and the identities of those excused: one a waking."""
        strays, excused, used = [], set(), set[tuple[str, float]]()
        for site_id, writes in self.writes.items():
            times = [hand.at for hand in hands[site_id]]
            for write in writes:
                place = bisect_right(times, write.at) - 1
                holder = hands[site_id][place].name if place >= 0 else None
                if holder == write.node:
                    continue
                # A request that begins after the waking has no excuse.
                wakings = {one for one in self._wakings if one[0] == write.node and write.began < one[1] < write.at}
                if wakings - used:
                    used |= wakings
                    excused.add(id(write))
                    continue
                late = f"{write.at - times[place]:.3f} s later" if place >= 0 else ""
                strays.append(f"{site_id}: {write.what} by {write.node}, {holder} had taken the lease {late}")
        return strays, excused

    def _since(self, site_id: str, since: float) -> list[Write]:
        writes = self.writes[site_id]
        return writes[bisect_right(writes, since, key=lambda write: write.at) :]

    async def _begin(self, request: Request, _response: Response | None) -> None:
        if not _is_write(request):
            return
        site_id, node = request.headers["site-id"], request.headers[HEADER]
        began, what = float(request.headers[BEGAN]), f"{request.method} {request.path}"
        write = Write(began=began, at=time.time(), node=node, what=what)
        under_way = self._open[site_id]
        self._overlaps += [(site_id, write, other) for other in under_way.values() if other.node != node]
        under_way[id(request)] = write
        self.writes[site_id].append(write)
        self._arrived.unpark_all()

    async def _end(self, request: Request, _response: Response | None) -> None:
        if _is_write(request):
            self._open[request.headers["site-id"]].pop(id(request))


def _is_write(request: Request) -> bool:
    return request.method not in READS and request.path not in (TOKEN_PATH, *READ_BY_POST)
