"""Routes that are made when the first request for one of them comes.

FastAPI takes about a millisecond and a half to make one. The admin API has some seventy: a start does not wait for them.
"""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter
from starlette.types import Receive, Scope, Send


class LateRoutes:
    """An ASGI application: the routes that `make` gives, made once."""

    def __init__(self, make: Callable[[], APIRouter]) -> None:
        """Nothing is made yet."""
        self._make = make
        self._made: APIRouter | None = None

    @property
    def router(self) -> APIRouter:
        """The routes; they are made if they are not there yet."""
        if self._made is None:
            self._made = self._make()
        return self._made

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by the route that fits."""
        await self.router(scope, receive, send)
