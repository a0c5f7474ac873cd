"""The gate in front of one API of one connection: rate, concurrency, lanes, breaker.

A caller takes a turn for each request and says how it went:

    async with limiter.turn(Lane.LIVE) as turn:
        try:
            answer = await api.send("GET", "/v3/store")
        except Retry:
            turn.lost()
            raise
        turn.observe(answer.status, answer.headers)

What is decided is decided by pure parts, a policy and a breaker, which are told the time; `limiter` waits. What is
allowed at all is learnt by operation, in front of that (`rights`).
"""

from daemon.transport.throttle.adaptive import AdaptivePolicy
from daemon.transport.throttle.breaker import Breaker
from daemon.transport.throttle.limiter import Limiter, LimiterStatistics, Turn
from daemon.transport.throttle.policy import Numbers, Policy
from daemon.transport.throttle.scopes import Scopes
from daemon.transport.throttle.window import WindowPolicy

__all__ = [
    "AdaptivePolicy",
    "Breaker",
    "Limiter",
    "LimiterStatistics",
    "Numbers",
    "Policy",
    "Scopes",
    "Turn",
    "WindowPolicy",
]
