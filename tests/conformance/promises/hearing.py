"""Promises of the webhook reader: strangers are refused before anything is read, in constant time."""

import random
from typing import Any

import msgspec
from attrs import evolve

from daemon.model import Change, ExternalId, Kind, Lane
from daemon.platforms.base import STORE
from tests.conformance.harness import ReaderHarness
from tests.conformance.kit import Sent
from tests.conformance.promise import of, promise

FUZZ = 2000
OLD = 3600.0


class Jealous(bytes):
    """Bytes that may be compared by `hmac.compare_digest` only: it does not use their methods."""

    __slots__ = ()

    def __eq__(self, _other: object) -> bool:
        raise AssertionError("compared in a time that tells how much of it is right")

    __ne__ = __eq__
    __hash__ = bytes.__hash__

    def __contains__(self, _part: object) -> bool:
        raise AssertionError("searched in a time that tells how much of it is right")

    def startswith(self, *_args: Any) -> bool:
        raise AssertionError("compared in a time that tells how much of it is right")

    endswith = startswith

    def strip(self, *args: Any) -> "Jealous":
        return Jealous(super().strip(*args))

    def split(self, *args: Any, **options: Any) -> list[bytes]:
        return [Jealous(part) for part in super().split(*args, **options)]


def sent(harness: ReaderHarness) -> Sent:
    return harness.stand.delivery(Kind.PRODUCTS, harness.stand.add(Kind.PRODUCTS, 1)[0])


@of(lambda kit: kit.platform.webhook_kinds)
async def a_delivery_leads_to_what_it_is_about(harness: ReaderHarness, kind: Kind) -> None:
    """Its changes name what is to be read, by ids that reading takes."""
    external_id = STORE if kind is Kind.STORE else harness.stand.add(kind, 2)[0]
    reader, told = harness.reader(), harness.stand.delivery(kind, external_id)
    assert reader.verify(told.headers, told.body)
    delivery = reader.read(told.headers, told.body)
    assert delivery.changes == (Change(kind, external_id),)
    assert (delivery.known, delivery.stale) == (True, False)
    assert delivery.scope
    assert reader.read(told.headers, told.body) == delivery
    assert set(await harness.shop.read(kind, [delivery.changes[0].external_id], Lane.LIVE)) == {external_id}


@promise
async def strangers_are_sent_away(harness: ReaderHarness) -> None:
    """Without headers, with empty, short, long or strange ones, with another's secret, with a changed body."""
    told, reader = sent(harness), harness.reader()
    assert reader.verify(told.headers, told.body)
    assert not reader.verify({}, told.body)
    assert not harness.reader(harness.stand.other_settings).verify(told.headers, told.body)
    forged = [
        {name: change(value) for name, value in told.headers.items()}
        for change in (
            lambda value: value[:0],
            lambda value: value[:-1],
            lambda value: value + b"x",
            lambda value: value.swapcase(),
            lambda value: b"\xff\x00 \xc3\xa9" + value,
            lambda value: b"0" * len(value),
        )
    ]
    assert [headers for headers in forged if reader.verify(headers, told.body)] == []
    tampered = [told.body[:-1], told.body + b" ", b"", told.body.replace(b":", b": ", 1)]
    assert [body for body in tampered if reader.verify(told.headers, body)] == []


@promise
async def nothing_is_read_before_it_is_verified(harness: ReaderHarness) -> None:
    """Verifying looks at bytes alone: what is signed passes whatever it says, what is not does not."""
    reader, external_id = harness.reader(), harness.stand.add(Kind.PRODUCTS, 1)[0]
    for body in (b"", b"{", b"[" * 100_000, b"\xff\xfe", b"x" * 1_000_000, "é🛒".encode()):
        told = harness.stand.delivery(Kind.PRODUCTS, external_id, body=body)
        assert reader.verify(told.headers, body)
        assert not reader.verify({}, body)


@promise
async def secrets_are_compared_in_constant_time(harness: ReaderHarness) -> None:
    """Neither a header's value nor a part of it is compared as other bytes are."""
    told, reader = sent(harness), harness.reader()
    jealous = {name: Jealous(value) for name, value in told.headers.items()}
    wrong = {name: Jealous(bytes(len(value))) for name, value in told.headers.items()}
    assert reader.verify(jealous, told.body)
    assert not reader.verify(wrong, told.body)


@promise
async def any_body_is_read_or_refused_in_one_line(harness: ReaderHarness) -> None:
    """ValueError for what was not agreed: nothing else, whatever the sender who knows the secret writes."""
    reader, external_id = harness.reader(), harness.stand.add(Kind.PRODUCTS, 1)[0]
    chance = random.Random(7)
    known = harness.stand.delivery(Kind.PRODUCTS, external_id).body
    bodies = [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"1",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        *(mutated(known, chance) for _ in range(FUZZ)),
    ]
    for body in bodies:
        told = harness.stand.delivery(Kind.PRODUCTS, external_id, body=body)
        try:
            delivery = reader.read(told.headers, body)
        except ValueError as refused:
            words = str(refused)
            assert words
            assert "\n" not in words
            assert len(words) < 500
        else:
            assert all(change.external_id == str(change.external_id) != "" for change in delivery.changes)


def mutated(body: bytes, chance: random.Random) -> bytes:
    """Change some bytes, or a value somewhere in the JSON."""
    if chance.random() < 0.5:
        changed = bytearray(body)
        for _ in range(chance.randrange(1, 4)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        return bytes(changed)
    return msgspec.json.encode(_replaced(msgspec.json.decode(body), chance))


def _replaced(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict) and value and chance.random() < 0.8:
        name = chance.choice(list(value))
        return {**value, name: _replaced(value[name], chance)}
    return chance.choice([None, [], {}, "", "x", -1, 0, 2**70, 1.5, True, "12", {"id": {}}, [1]])


@promise
async def what_we_know_nothing_of_is_accepted(harness: ReaderHarness) -> None:
    """It changes nothing and is counted as unknown: refused, it would be sent for days."""
    told, reader = harness.stand.unmanaged(), harness.reader()
    assert reader.verify(told.headers, told.body)
    delivery = reader.read(told.headers, told.body)
    assert (delivery.changes, delivery.known) == ((), False)


@promise
async def a_redelivery_is_taken_and_told_by_its_age(harness: ReaderHarness) -> None:
    """Platforms send again for days: an old one is verified and read like any other, and stale if that can be known."""
    external_id = harness.stand.add(Kind.PRODUCTS, 1)[0]
    told, reader = harness.stand.delivery(Kind.PRODUCTS, external_id, age=OLD), harness.reader()
    assert reader.verify(told.headers, told.body)
    delivery = reader.read(told.headers, told.body)
    assert delivery.changes == (Change(Kind.PRODUCTS, ExternalId(external_id)),)
    assert delivery.stale is harness.kit.signs_time


@promise
async def a_ping_is_that_exact_request(harness: ReaderHarness) -> None:
    """No delivery is one, with its secrets or without; nor is a ping with more in it, or with less."""
    told, ping, reader = sent(harness), harness.stand.ping(), harness.reader()
    unsigned = {name: value for name, value in told.headers.items() if name == b"content-type"}
    strange = [told, Sent(headers=unsigned, body=told.body), Sent(headers={}, body=b""), Sent(headers={}, body=b"x=1")]
    if ping is not None:
        assert reader.is_ping(ping.headers, ping.body)
        assert not reader.verify(ping.headers, ping.body)
        strange += [evolve(ping, body=ping.body + more) for more in (b"&x=1", b" ", b"\n", b"\x00")]
        strange += [evolve(ping, body=ping.body[:-1][:4]), evolve(ping, body=b""), evolve(ping, body=told.body)]
        strange += [evolve(ping, headers={**ping.headers, **told.headers})]
    assert [one for one in strange if reader.is_ping(one.headers, one.body)] == []


@promise
async def a_delivery_may_be_as_large_as_is_said(harness: ReaderHarness) -> None:
    """The listener takes that many bytes in, so the reader reads them, and leads to the same entity."""
    external_id, reader = harness.stand.add(Kind.PRODUCTS, 1)[0], harness.reader()
    size = harness.kit.platform.max_delivery_bytes
    body = harness.stand.delivery(Kind.PRODUCTS, external_id).body.ljust(size)
    told = harness.stand.delivery(Kind.PRODUCTS, external_id, body=body)
    assert reader.verify(told.headers, told.body)
    assert reader.read(told.headers, told.body).changes == (Change(Kind.PRODUCTS, external_id),)
