"""`POST /v1/explain`: what would become of a request, without sending it. The decision is made by the code that serves.

The body is the request itself (a chat completion), or an object with `path`, `headers` and `body` for one of another kind:

    {"path": "/v1/messages", "headers": {"x-session-id": "7"}, "body": {"model": "smart", ...}}
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Final

import msgspec

from weighbridge.core.codec import JsonError, encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import ByteSink, ByteSource, Clock, RawPipe, Rng
from weighbridge.core.routes import StrategyName
from weighbridge.core.terms import DataDemand, Deployment
from weighbridge.pipeline.attempt import prepare_for
from weighbridge.pipeline.bounds import WRITES_TEXT, model_output, named_cap
from weighbridge.pipeline.compiled_routes import CompiledRoute, target_of
from weighbridge.pipeline.exchange import Exchange
from weighbridge.pipeline.fleet import Fleet
from weighbridge.pipeline.plan import Plan
from weighbridge.pipeline.receive import match_endpoint, read_envelope
from weighbridge.pipeline.snapshot import Snapshot
from weighbridge.pipeline.target import Target
from weighbridge.pipeline.traits import RequestTraits, output_bound
from weighbridge.pipeline.wishes import wishes_of
from weighbridge.routing.decide import Lost, Wishes, decide, rehearsal
from weighbridge.routing.members import Candidate

_CHAT_PATH: Final = "/v1/chat/completions"


class _Asked(msgspec.Struct):
    body: msgspec.Raw
    path: str = _CHAT_PATH
    headers: dict[str, str] = {}


class OutputBound(msgspec.Struct, frozen=True):
    """The most tokens that an answer may have, which is what budgets hold for it, and whose word that is."""

    tokens: int
    source: str


class Choice(msgspec.Struct, frozen=True, omit_defaults=True):
    """One candidate. `edits` are what the gateway would change of the request; `refused` why it could not be asked it."""

    target: str
    format: str | None = None
    """What the request would be translated into; null: its bytes are forwarded."""
    edits: list[str] = []
    refused: str | None = None
    state: str = "well"
    """`well`, or why it is not, and comes last."""
    retry_in_ms: int = 0
    weight: float = 1.0
    in_flight: int = 0
    first_token_ms: float | None = None
    own_key: bool = False
    """It would be asked with a key that the caller's own side has brought."""
    output_bound: OutputBound | None = None
    """Of each answer, where a bound can be named."""
    cost_usd: list[float] | None = None
    """From and to: the input alone, and with the whole bound on the output. Null: nobody knows the price."""


class Excluded(msgspec.Struct, frozen=True):
    """A target that may not serve the request."""

    target: str
    reason: str


class Explanation(msgspec.Struct, frozen=True):
    """The decision: who is asked first, second, and so on, and who not."""

    model: str
    route: str
    strategy: StrategyName
    candidates: list[Choice]
    lost: list[Excluded]
    demand: DataDemand
    attempts: int
    hedged: bool
    midstream: bool


class Described:
    """A request that is only talked about (`core.ports.Downstream`): it has no client, and nothing can be sent to it."""

    def __init__(self, method: bytes, target: bytes, headers: list[tuple[bytes, bytes]], length: int, received_ns: int) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.content_length: int | None = length
        self.is_chunked = False
        self.is_upgrade = False
        self.received_ns = received_ns
        self.peer = ""
        self.memo: object = None
        self.has_started = False

    def whole_body(self, limit: int) -> bytes | None:
        """None: the body is given to `read_envelope`."""
        return None if limit else b""

    async def read_body(self, limit: int) -> bytes:
        """Not asked for."""
        raise NotImplementedError(limit)

    def stream_body(self, limit: int) -> ByteSource:
        """Not asked for."""
        raise NotImplementedError(limit)

    def start(self, status: int, header_lines: bytes, length: int | None) -> None:
        """Not asked for."""
        raise NotImplementedError(status, header_lines, length)

    def flush(self) -> None:
        """Nothing."""

    def write(self, data: bytes) -> None:
        """Not asked for."""
        raise NotImplementedError(data)

    def end(self, data: bytes = b"") -> None:
        """Not asked for."""
        raise NotImplementedError(data)

    def abort(self) -> None:
        """Nothing."""

    def throttle(self, source: ByteSource | None) -> None:
        """Nothing."""

    def take_over(self, sink: ByteSink) -> RawPipe:
        """Not asked for."""
        raise NotImplementedError(sink)


_read = msgspec.json.Decoder(_Asked).decode


def described_exchange(exchange: Exchange, body: bytes) -> Exchange:
    """The request that is asked about, with the asking one's key. Raises `GatewayError` INVALID_REQUEST."""
    try:
        asked = _read(body)
    except JsonError:
        asked = _Asked(msgspec.Raw(body))
    if not asked.path.startswith("/") or not asked.path.isascii() or " " in asked.path:
        raise GatewayError(ErrorKind.INVALID_REQUEST, "'path' must be a path such as '/v1/messages'.", param="path")
    own = [pair for pair in exchange.downstream.headers if pair[0] not in (b"content-length", b"content-type")]
    given = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in asked.headers.items()]
    text = bytes(asked.body)
    headers = [*own, (b"content-type", b"application/json"), *given]
    downstream = Described(b"POST", asked.path.encode(), headers, len(text), exchange.downstream.received_ns)
    described = Exchange(downstream, exchange.snapshot, exchange.request_id, exchange.start_wall_ns)
    described.fields = dict(headers)
    described.key = exchange.key
    match_endpoint(described)
    read_envelope(described, text)
    return described


def explain(described: Exchange, compiled: CompiledRoute, rng: Rng, now_ns: int) -> bytes:
    """The explanation as JSON. Nothing moves on by it: turns, chance and keys are as they were. Raises `GatewayError`."""
    route = compiled.route
    lost: Lost = []
    asked = wishes_of(described, route)
    wishes = Wishes(asked.demand, asked.preferences, lost)
    traits = RequestTraits(described, route)
    order = decide(rehearsal(compiled.branch), traits, wishes, deepcopy(rng), now_ns)
    return encode_json(
        Explanation(
            model=described.requested_model,
            route=route.requested_model,
            strategy=route.strategy,
            candidates=_choices(described, order, traits, now_ns),
            lost=[Excluded(candidate.id, reason) for candidate, reason in lost],
            demand=asked.demand or DataDemand(),
            attempts=route.retry.max_attempts,
            hedged=route.hedging is not None,
            midstream=route.continues_midstream,
        )
    )


def explained(plan: Plan, body: bytes, clock: Clock, rng: Rng) -> bytes:
    """The same by a configuration alone, of whose targets nothing is known yet. Raises `GatewayError`."""
    snapshot = Snapshot(plan, Fleet(rng, clock))
    asking = Exchange(Described(b"POST", b"/v1/explain", [], 0, clock.now_ns()), snapshot, "req_0", clock.wall_ns())
    described = described_exchange(asking, body)
    pinned = described.match.provider if described.match is not None else None
    name, described.sort = snapshot.without_suffix(described.requested_model)
    return explain(described, snapshot.route_for(name, described.endpoint, pinned), rng, clock.now_ns())


def _choices(described: Exchange, order: Sequence[Candidate], traits: RequestTraits, now_ns: int) -> list[Choice]:
    return [_choice(described, candidate, traits, now_ns) for candidate in order]


def _choice(described: Exchange, candidate: Candidate, traits: RequestTraits, now_ns: int) -> Choice:
    target, live = target_of(candidate), candidate.live
    refused = None
    described.edits = []
    try:
        prepare_for(described, target, 0)
    except GatewayError as error:
        refused = error.public
    into = target.translated_into
    return Choice(
        target=_named(target.deployment),
        format=None if into is None else str(into.value),
        edits=list(described.edits),
        refused=refused,
        state="well" if live.retry_at_ns <= now_ns else live.reason,
        retry_in_ms=max(0, live.retry_at_ns - now_ns) // 1_000_000,
        weight=candidate.weight,
        in_flight=live.in_flight,
        first_token_ms=round(live.first_token_ns / 1e6, 1) or None,
        own_key=target.own is not None,
        output_bound=_output_bound(described, target),
        cost_usd=_cost_usd(candidate, traits),
    )


def _output_bound(described: Exchange, target: Target) -> OutputBound | None:
    if described.endpoint.operation not in WRITES_TEXT:
        return None
    cap, _ = named_cap(described, target)
    most = described.key.max_output_tokens if described.key is not None else None
    if most is not None and (cap is None or cap > most):
        return OutputBound(most, "the key")
    if cap is None:
        is_more = (tokens := model_output(described, target)) > target.output_bound
        return OutputBound(tokens, "the context window: a beta asks for more" if is_more else target.sizes.source)
    is_the_requests = target.output_override is None and output_bound(described) is not None
    return OutputBound(cap, "the request" if is_the_requests else "the route")


def _named(deployment: Deployment) -> str:
    return f"{deployment.provider}/{deployment.model}"


def _cost_usd(candidate: Candidate, traits: RequestTraits) -> list[float] | None:
    low = traits.input_tokens * candidate.input_rate / 1e9
    high = low + traits.max_output_tokens * candidate.output_rate / 1e9
    return None if high == float("inf") or high != high else [low, high]  # noqa: PLR0124 - not a number
