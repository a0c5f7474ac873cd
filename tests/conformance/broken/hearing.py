"""Readers of webhooks that trust too much, or too little."""

import time
from collections.abc import Mapping

import msgspec
from attrs import evolve

from daemon.model import Change, Kind
from daemon.platforms.base import Delivery
from tests.conformance.broken.base import BrokenReader


class LetsEveryoneIn(BrokenReader):
    def verify(self, _headers: Mapping[bytes, bytes], _body: bytes) -> bool:
        return True


class AsksOnlyWhetherThereIsAHeader(BrokenReader):
    def verify(self, headers: Mapping[bytes, bytes], _body: bytes) -> bool:
        return bool(headers) and all(headers.values())


class ComparesAsItReads(BrokenReader):
    def verify(self, headers: Mapping[bytes, bytes], body: bytes) -> bool:
        same = any(value == self.real._secret for value in headers.values())
        return same and bool(self.real.verify(headers, body))


class ReadsBeforeItVerifies(BrokenReader):
    def verify(self, headers: Mapping[bytes, bytes], body: bytes) -> bool:
        msgspec.json.decode(body)
        return bool(self.real.verify(headers, body))


class FallsOverStrangeBodies(BrokenReader):
    def read(self, headers: Mapping[bytes, bytes], body: bytes) -> Delivery:
        told = msgspec.json.decode(body)
        told["data"]["id"] += 0
        delivery: Delivery = self.real.read(headers, body)
        return delivery


class RefusesWhatItDoesNotKnow(BrokenReader):
    def read(self, headers: Mapping[bytes, bytes], body: bytes) -> Delivery:
        delivery: Delivery = self.real.read(headers, body)
        if not delivery.known:
            raise ValueError("unknown")
        return delivery


class ReadsOfAnotherKind(BrokenReader):
    def read(self, headers: Mapping[bytes, bytes], body: bytes) -> Delivery:
        delivery: Delivery = self.real.read(headers, body)
        return evolve(delivery, changes=tuple(Change(Kind.PRODUCTS, one.external_id) for one in delivery.changes))


class RefusesOldOnes(BrokenReader):
    def verify(self, headers: Mapping[bytes, bytes], body: bytes) -> bool:
        age = time.time() - int(headers.get(b"webhook-timestamp", b"0"))
        return age < 300 and bool(self.real.verify(headers, body))


class NeverKnowsAnOldOne(BrokenReader):
    def read(self, headers: Mapping[bytes, bytes], body: bytes) -> Delivery:
        delivery: Delivery = self.real.read(headers, body)
        return evolve(delivery, stale=False)


class TakesWhatIsUnsignedForAPing(BrokenReader):
    def is_ping(self, headers: Mapping[bytes, bytes], body: bytes) -> bool:
        return not self.real.verify(headers, body)


class RefusesLargeOnes(BrokenReader):
    def read(self, headers: Mapping[bytes, bytes], body: bytes) -> Delivery:
        if len(body) > 500_000:
            raise ValueError("too large")
        delivery: Delivery = self.real.read(headers, body)
        return delivery
