"""The writes that arrive at SparkLayer's stand-in, with the node that sent each.

Two nodes must never write to one site at the same time, whichever entity; and a node's write must come after the node
has taken the lease, and before another one has.
"""

import time
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import trio
from attrs import define, field, frozen

from daemon.sandbox import SparkLayer
from daemon.sandbox.message import Request, Response
from daemon.sandbox.sparklayer.gate import TOKEN_PATH
from tests.prove.cluster.audit import Hand
from tests.prove.cluster.named import HEADER

READS = ("GET", "HEAD")
SYNC_LOG = "/sync-log/"
READ_BY_POST = ("/api/v1/batch-fetch-stock",)


@frozen(kw_only=True)
class Write:
    """A write that arrived at `at`, in seconds since the epoch."""

    at: float
    node: str
    what: str


@define(eq=False)
class Watch:
    """The writes of every site, and what was wrong with them."""

    writes: dict[str, list[Write]] = field(factory=lambda: defaultdict(list))
    overlaps: list[str] = field(factory=list)
    _open: dict[str, Counter[str]] = field(factory=lambda: defaultdict(Counter))
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

    def strays(self, hands: Mapping[str, Sequence[Hand]]) -> list[str]:
        """Return the writes of nodes that did not have the site's lease."""
        strays = []
        for site_id, writes in self.writes.items():
            times = [hand.at for hand in hands[site_id]]
            for write in writes:
                place = bisect_right(times, write.at) - 1
                holder = hands[site_id][place].name if place >= 0 else None
                if holder != write.node:
                    late = f"{write.at - times[place]:.3f} s later" if place >= 0 else ""
                    strays.append(f"{site_id}: {write.what} by {write.node}, {holder} had taken the lease {late}")
        return strays

    def _since(self, site_id: str, since: float) -> list[Write]:
        writes = self.writes[site_id]
        return writes[bisect_right(writes, since, key=lambda write: write.at) :]

    async def _begin(self, request: Request, _response: Response | None) -> None:
        if not _is_write(request):
            return
        site_id, node = request.headers["site-id"], request.headers[HEADER]
        write = Write(at=time.time(), node=node, what=f"{request.method} {request.path}")
        under_way = self._open[site_id]
        others = [other for other, count in under_way.items() if count and other != node]
        self.overlaps += [f"{site_id}: {write.what} by {node}, while {other} writes" for other in others]
        under_way[node] += 1
        self.writes[site_id].append(write)
        self._arrived.unpark_all()

    async def _end(self, request: Request, _response: Response | None) -> None:
        if _is_write(request):
            self._open[request.headers["site-id"]][request.headers[HEADER]] -= 1


def _is_write(request: Request) -> bool:
    return request.method not in READS and request.path not in (TOKEN_PATH, *READ_BY_POST)
