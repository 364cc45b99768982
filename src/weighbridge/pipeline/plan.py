"""What the control plane hands to the data plane: everything a worker must know to serve, as plain data.

`config/compile.py` makes a `Plan` from the configuration and the stored keys; it travels to the workers over their socket
pair (`core.codec.encode_private`), and each builds its `Snapshot` with indexes from it. So a worker needs neither pydantic
nor YAML.
"""

from __future__ import annotations

import msgspec

from weighbridge.core.allowances import Allowances
from weighbridge.core.model_sizes import SizeRule
from weighbridge.core.own_keys import NO_OWN_KEYS, OwnKey
from weighbridge.core.payloads import PayloadRules
from weighbridge.core.rates import PriceBook
from weighbridge.core.routes import HealthRules, RetryPolicy, Route
from weighbridge.core.terms import VirtualKey
from weighbridge.ledger.tariffs import TariffRule
from weighbridge.providers.base import Provider


class Limits(msgspec.Struct, frozen=True):
    """Bounds on what a client may send and how slowly. Bytes and nanoseconds."""

    max_header_bytes: int = 65_536
    """Request line and headers together: four times nginx's 16 kB default, since agents send long metadata."""
    max_url_bytes: int = 16_384
    max_body_bytes: int = 64 * 1024 * 1024
    """Above what any vendor takes as JSON (Anthropic 32 MB, OpenAI and Gemini 20 MB with inline images)."""
    max_upload_bytes: int = 1024 * 1024 * 1024
    """For `/v1/files` and raw pass-through, which are streamed and never held."""
    header_timeout_ns: int = 15_000_000_000
    body_idle_timeout_ns: int = 30_000_000_000
    """Between two reads of a request body."""
    keepalive_timeout_ns: int = 75_000_000_000
    """Longer than the idle time of common load balancers (AWS ALB 60 s), so that they close first and no request is lost."""
    write_stall_timeout_ns: int = 120_000_000_000
    """A client that takes not one byte of its reply for this long is gone."""
    max_connections: int = 20_000
    max_in_flight: int = 4_000
    max_queue: int = 1_000
    """Requests that wait for a place, for each kind of place."""
    queue_timeout_ns: int = 5_000_000_000
    """Longer than a burst, shorter than a client's patience."""
    max_upstream_connections: int = 1_000
    """Per origin and worker."""
    upstream_idle_timeout_ns: int = 55_000_000_000
    """Shorter than the idle time of the vendors' front ends (60 s and more), so that we close first."""


class Plan(msgspec.Struct, frozen=True):
    """One version of everything. `version` grows with each load, so that a reply can say which one it was served by."""

    version: int
    providers: tuple[Provider, ...]
    routes: tuple[Route, ...] = ()
    keys: tuple[VirtualKey, ...] = ()
    limits: Limits = Limits()
    auth_required: bool = True
    retry: RetryPolicy = RetryPolicy()
    """For names that are no route, and for routes that say nothing of their own."""
    health: HealthRules = HealthRules()
    prices: PriceBook = PriceBook()
    sizes: tuple[SizeRule, ...] = ()
    """What models write and read at most, beside what price lists say: the first that matches."""
    allowances: Allowances = Allowances()
    tariffs: tuple[TariffRule, ...] = ()
    """What customers pay: the first that counts a request."""
    properties: tuple[str, ...] = ()
    """Members of a request's `metadata` that it is booked under."""
    own_keys: tuple[OwnKey, ...] = NO_OWN_KEYS
    """Keys at providers that customers have brought."""
    counts_tokens: bool = False
    """Whether the control plane has a tokenizer, for attempts whose usage nobody tells."""
    payloads: PayloadRules | None = None
    """Of which requests it is kept what was asked and answered; None: of none."""
    has_leases: bool = False
    """Whether other hosts spend from the same hard budgets, so that each has its part on lease."""
