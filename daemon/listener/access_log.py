"""The access log, one line for each answer, at the level debug.

A line has the method, the pattern of the path, the status, and the seconds that the handler took; `request_id` besides.
The path itself, its query and the caller's address are left out: they may name a person or hold a secret.
"""

import time

import structlog
from attrs import frozen

from daemon.listener.http.messages import Fault, Request, Response
from daemon.listener.routes import Routes

log = structlog.get_logger(__name__)


@frozen
class AccessLog:
    """Answers as `Routes` does, and logs it. Without it, an answer does not pay for the log."""

    _routes: Routes

    async def answer(self, request: Request) -> Response:
        """Answer a request."""
        began = time.perf_counter()
        response = await self._routes.answer(request)
        seconds = round(time.perf_counter() - began, 6)
        pattern = self._routes.pattern(request.path)
        log.debug("request answered", method=request.method, route=pattern, status=response.status, seconds=seconds)
        return response

    def refuse(self, fault: Fault) -> Response:
        """Answer a request that reaches no handler."""
        response = self._routes.refuse(fault)
        log.debug("request refused", route=self._routes.pattern(fault.path), status=response.status)
        return response
