"""What was asked and answered, where an operator has it kept: whose, how much of it, and what a worker hands over. Plain data."""

from __future__ import annotations

from typing import Protocol

import msgspec


class PayloadRules(msgspec.Struct, frozen=True):
    """Of which requests it is kept. `share_ppm` is in millionths; empty sets name all."""

    share_ppm: int = 1_000_000
    routes: frozenset[str] = frozenset()
    teams: frozenset[str] = frozenset()
    max_bytes: int = 262_144
    """Of a request, and of a reply: what is longer is kept up to there."""


class Payload(msgspec.Struct, frozen=True):
    """One exchange as its client saw it. `*_bytes` is how long each was in all, of which the content may be the beginning."""

    request_id: str
    start_wall_ns: int
    end_user: str
    user: str
    """Whose it is, so that it is not kept if they were erased meanwhile. Not kept with it."""
    request: bytes
    request_bytes: int
    reply: bytes
    reply_bytes: int
    reply_type: str
    """The reply's `content-type`, in lower case and without parameters."""
    reply_coding: str
    """Its `content-encoding`; empty: none."""


class PayloadKeeper(Protocol):
    """Who keeps payloads, away from the path of requests."""

    def keep(self, payload: Payload) -> None:
        """Take one. Where there is no room it is dropped, and counted."""
        ...
