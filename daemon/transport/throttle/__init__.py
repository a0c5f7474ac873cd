"""The throttle in front of one API of one connection: rate, concurrency, lanes, breaker.

A caller takes a turn for each request and reports its outcome:

    async with limiter.turn(Lane.LIVE) as turn:
        try:
            answer = await api.send("GET", "/v3/store")
        except Retry:
            turn.lost()
            raise
        turn.observe(answer.status, answer.headers)

The policy and the breaker decide: they are pure and receive the time. The limiter waits. `scopes` stands in front of
it and learns from 403s which operations the key may use.
"""

from daemon.transport.throttle.adaptive import AdaptivePolicy
from daemon.transport.throttle.breaker import Breaker
from daemon.transport.throttle.latency import LatencyPolicy
from daemon.transport.throttle.limiter import Limiter, LimiterStatistics, Turn
from daemon.transport.throttle.policy import Numbers, Policy
from daemon.transport.throttle.scopes import Scopes
from daemon.transport.throttle.window import WindowPolicy

__all__ = [
    "AdaptivePolicy",
    "Breaker",
    "LatencyPolicy",
    "Limiter",
    "LimiterStatistics",
    "Numbers",
    "Policy",
    "Scopes",
    "Turn",
    "WindowPolicy",
]
