"""The webhook reader of a platform whose webhooks are no part of a test."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from daemon.platforms.base import Delivery


@frozen
class NoWebhooks:
    """A webhook reader, which the engine never uses."""

    settings: Any = None

    def verify(self, headers: Mapping[bytes, bytes], body: bytes) -> bool:
        raise NotImplementedError  # the engine never asks for it: a test that brings this about is wrong

    def read(self, headers: Mapping[bytes, bytes], body: bytes) -> Delivery:
        raise NotImplementedError  # the engine never asks for it: a test that brings this about is wrong

    def is_ping(self, headers: Mapping[bytes, bytes], body: bytes) -> bool:
        raise NotImplementedError  # the engine never asks for it: a test that brings this about is wrong
