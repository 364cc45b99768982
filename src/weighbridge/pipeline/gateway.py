"""The life of a request. `Gateway.handle` walks the named steps in their order; each lives in the file of its own name."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from weighbridge.auth.addresses import may_come_from
from weighbridge.auth.presented_key import presented_key
from weighbridge.auth.virtual_keys import KeysDelta, digest_of
from weighbridge.core.clock import NS_PER_S, SystemRng
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.own_keys import OwnKey
from weighbridge.core.payloads import PayloadKeeper
from weighbridge.core.ports import Clock, Downstream, Ids, KeySource, ModelLister, ResponseKeeper, Rng, Sink, TokenCounter, Upstream
from weighbridge.core.tasks import on_a_task
from weighbridge.core.terms import Dialect, Operation, Origin, VirtualKey
from weighbridge.pipeline.attempt import FindAuthorizer
from weighbridge.pipeline.attempts import Attempts
from weighbridge.pipeline.background import FETCHES, claim, keep_pending, may_settle
from weighbridge.pipeline.bookkeeper import Bookkeeper
from weighbridge.pipeline.compiled_routes import CompiledRoute, target_of
from weighbridge.pipeline.control_proxy import forward_to_control, is_control_path
from weighbridge.pipeline.counting import estimated_count, send_count
from weighbridge.pipeline.exchange import Exchange, attempts_line, client_gone, gateway_failed, header_lines
from weighbridge.pipeline.explain import described_exchange, explain
from weighbridge.pipeline.file_batch import keep_file, read_batch_of_file, watch_upload
from weighbridge.pipeline.fleet import Fleet
from weighbridge.pipeline.head_memo import recall, remember
from weighbridge.pipeline.headers import OF_THE_BODY, returned_lines
from weighbridge.pipeline.inline_batch import read_batch
from weighbridge.pipeline.limit_lines import limit_lines
from weighbridge.pipeline.local import answer_locally, is_own_list, models_body, send_json
from weighbridge.pipeline.plan import Plan
from weighbridge.pipeline.receive import guess_dialect, has_envelope, match_endpoint, read_envelope
from weighbridge.pipeline.replay import KEY_HEADER, Listener, Name, Shelf, Tee, checked_key, fingerprint_of
from weighbridge.pipeline.settle import settle
from weighbridge.pipeline.snapshot import Snapshot
from weighbridge.pipeline.stored_responses import continue_response, is_kept_here, keep_response, kept_answer, send_kept
from weighbridge.pipeline.token_estimate import count_tokens, may_need_count
from weighbridge.pipeline.traits import RequestTraits
from weighbridge.pipeline.translated_relay import TranslatedRelay
from weighbridge.pipeline.waiting_room import WaitingRoom
from weighbridge.pipeline.wishes import needs_a_decision, wishes_of
from weighbridge.pipeline.witness import Witness, payload_of, witness
from weighbridge.routing.decide import Lost, Wishes, decide
from weighbridge.routing.fit import CountStyle
from weighbridge.routing.members import Candidate
from weighbridge.routing.preferences import read_models
from weighbridge.wire.error_bodies import error_headers, error_status, render_error

_RETRY_SOON_NS: Final = NS_PER_S
"""What a client is told to wait when the gateway itself is full: the load of one second is gone by then."""

_MAX_UNKNOWN_KEYS: Final = 4096
"""Digests of keys that the store did not know; they come from callers, so the set is bounded and then emptied."""

_MODELS: Final = Operation.MODELS  # reaching a member through its class takes 0.1 µs in Python 3.11
_EXPLAIN: Final = Operation.EXPLAIN
_BATCHES: Final = Operation.BATCHES
_FILES: Final = Operation.FILES
_MESSAGE_BATCHES: Final = Operation.MESSAGE_BATCHES
_STORED: Final = Operation.RESPONSES_STORED
_NO_CHANCE: Final = SystemRng(0)
_MAX_REASONS: Final = 8
"""Of a refusal's reasons in its sentence."""

_UNSEEN_MODEL: Final = frozenset(
    (
        Operation.RAW,
        Operation.BATCHES,
        Operation.BATCHES_STORED,
        Operation.MESSAGE_BATCHES,
        Operation.MESSAGE_BATCHES_STORED,
    )
)
"""Operations that may spend on a model that the gateway does not see."""

ANYBODY: Final = VirtualKey(id="anonymous", name="anonymous", digest=b"")
"""Who calls where `auth: none` is configured, which is possible on loopback only."""


class Gateway:
    """The data plane of one worker. What outlives a request and a reload lives here."""

    def __init__(
        self,
        plan: Plan,
        *,
        upstream: Upstream,
        key_source: KeySource,
        responses: ResponseKeeper,
        books: Bookkeeper,
        sink: Sink,
        clock: Clock,
        ids: Ids,
        rng: Rng,
        control: Origin | None,
        find_authorizer: FindAuthorizer = lambda _provider: None,
        token_counter: TokenCounter | None = None,
        payload_keeper: PayloadKeeper | None = None,
        model_lister: ModelLister | None = None,
    ) -> None:
        self.fleet = Fleet(rng, clock)
        """What is known of everybody whom we call; it outlives every snapshot."""
        self.fleet.set_routes(plan.routes)
        self.snapshot = Snapshot(plan, self.fleet)
        self.is_draining = False
        self._upstream = upstream
        self._key_source = key_source
        self._responses = responses
        self._books = books
        self._token_counter = token_counter
        self._payload_keeper = payload_keeper
        self._model_lister = model_lister
        self._sink = sink
        self._clock = clock
        self._ids = ids
        self._control = control
        self._attempts = Attempts(upstream, self.fleet, books, clock, find_authorizer)
        self._shelf = Shelf(clock)
        self._under_way = Shelf(clock, keeps=False)
        self._unknown_keys: set[bytes] = set()
        self.in_flight = 0
        self._n_admitted = 0
        self._room = WaitingRoom("The gateway is at its limit of requests in flight.")

    def swap(self, plan: Plan) -> None:
        """A new version of the configuration, from the next request on."""
        self.fleet.set_routes(plan.routes)
        self._follow(Snapshot(plan, self.fleet))
        self._unknown_keys.clear()

    def swap_keys(self, delta: KeysDelta) -> None:
        """Keys that were made, changed or revoked, from the next request on."""
        self.snapshot = self.snapshot.with_keys(delta)
        self._unknown_keys.clear()

    def swap_own_keys(self, keys: tuple[OwnKey, ...]) -> None:
        """What customers have brought, from the next request on."""
        self._follow(self.snapshot.with_plan(msgspec.structs.replace(self.snapshot.plan, own_keys=keys)))

    def _follow(self, snapshot: Snapshot) -> None:
        before = self.snapshot.own_keys
        self.snapshot = snapshot
        if before is not None:
            left = snapshot.own_keys.pool_names() if snapshot.own_keys is not None else set()
            self.fleet.forget_pools(before.pool_names() - left)

    # --- the journey --------------------------------------------------------------------------------------------

    async def handle(self, downstream: Downstream) -> None:
        """Answer one request, and settle it exactly once."""
        exchange = Exchange(downstream, self.snapshot, self._ids.request_id(), self._clock.wall_ns())
        is_known = recall(exchange)
        if not is_known and answer_locally(exchange, is_ready=not self.is_draining):
            return
        if not is_known and self._control is not None and is_control_path(exchange.path):
            await forward_to_control(exchange, self._control, self._upstream)
            return
        self.in_flight += 1
        try:
            if not is_known:
                match_endpoint(exchange)
                exchange.key = self._authenticate(exchange) or await self._ask_for_key(exchange)
                remember(exchange)
            check_key(exchange)
            if self._n_admitted < exchange.snapshot.limits.max_in_flight and not self._sink.is_full and not self._books.is_full:
                self._n_admitted += 1  # without a coroutine: nearly always
                exchange.is_admitted = True
            else:
                await self._admit(exchange)
            operation = exchange.endpoint.operation
            if operation is _MODELS and is_own_list(exchange):
                listing = models_body(exchange, await self._listed_live(exchange))
                settle(exchange, self._clock, self._books, self._sink)
                send_json(exchange, listing)
                return
            if operation is _EXPLAIN:
                await self._explain(exchange)
                return
            if has_envelope(exchange):
                limit = exchange.snapshot.limits.max_body_bytes
                body = downstream.whole_body(limit)
                read_envelope(exchange, body if body is not None else await downstream.read_body(limit))
                if exchange.snapshot.payloads is not None:
                    witness(exchange, exchange.snapshot.payloads, self.fleet.rng)
            elif operation is _MESSAGE_BATCHES:
                await read_batch(exchange)
            elif operation is _BATCHES:
                await read_batch_of_file(exchange, self._responses)
            elif operation is _FILES:
                watch_upload(exchange)
            if operation is _STORED and (kept := await self._kept(exchange)) is not None:
                settle(exchange, self._clock, self._books, self._sink)
                send_kept(exchange, kept)
                return
            if KEY_HEADER in exchange.fields and await self._is_replayed(exchange):
                return
            compiled = self._resolve(exchange)
            if exchange.snapshot.own_keys is not None:
                compiled = self._by_own_keys(exchange, compiled)
            if compiled.is_special:
                if compiled.route.joins and await self._is_joined(exchange):
                    return
                exchange.is_strict = compiled.route.strict
            exchange.route_name = compiled.route.requested_model
            asked = self._books.admit(exchange, self._clock.now_ns())
            if asked is not None:
                await asked.signal
                self._books.admitted(exchange, self._clock.now_ns())
            order = self._decide(exchange, compiled)
            target = exchange.target = target_of(order[0])
            if target.translated_into is not None:
                if target.translated_into is CountStyle.ESTIMATE:
                    count = estimated_count(exchange)
                    settle(exchange, self._clock, self._books, self._sink)
                    send_count(exchange, count)
                    return
                if is_kept_here(exchange):
                    await continue_response(exchange, self._responses)
            await self._attempts.run(exchange, compiled, order)
        except GatewayError as error:
            exchange.error = error.bare()
        except asyncio.CancelledError:
            if not await self._goes_on_for_others(exchange):
                exchange.error = client_gone()
                raise
        except BaseException as bug:
            exchange.error = gateway_failed(bug)
            raise
        finally:
            self.in_flight -= 1
            if exchange.is_admitted:
                self._n_admitted -= 1
                if len(self._room):
                    self._room.wake()
            await self._end(exchange)

    def _authenticate(self, exchange: Exchange) -> VirtualKey | None:
        """Step 2: the hash of the key, a dict look-up. None where the store has to be asked."""
        snapshot = exchange.snapshot
        if not snapshot.plan.auth_required:
            return ANYBODY
        presented = presented_key(exchange.fields, exchange.query)
        if not presented:
            raise GatewayError(
                ErrorKind.AUTHENTICATION,
                "No API key was given. Send a Weighbridge key, for example as 'Authorization: Bearer wb-…'.",
                code="missing_api_key",
            )
        return snapshot.keys.get(digest_of(presented))

    async def _ask_for_key(self, exchange: Exchange) -> VirtualKey:
        """A key that the snapshot does not know may have been made a moment ago: the store is asked once about its digest."""
        digest = digest_of(presented_key(exchange.fields, exchange.query) or b"")
        key = None
        if digest not in self._unknown_keys:
            await on_a_task()
            key = await self._key_source.find(digest)
        if key is None:
            if len(self._unknown_keys) >= _MAX_UNKNOWN_KEYS:
                self._unknown_keys.clear()
            self._unknown_keys.add(digest)
            raise GatewayError(ErrorKind.AUTHENTICATION, "The API key is not known here.", code="invalid_api_key")
        return key

    async def _listed_live(self, exchange: Exchange) -> Mapping[str, tuple[str, ...]]:
        """What providers list themselves, where that is to be shown."""
        if self._model_lister is None or not any(provider.shows_live for provider in exchange.snapshot.plan.providers):
            return {}
        await on_a_task()
        return await self._model_lister.names()

    async def _kept(self, exchange: Exchange) -> bytes | None:
        """What a request about a stored response is answered, if the gateway keeps it."""
        await on_a_task()
        body = await kept_answer(exchange, self._responses)
        if body is not None:
            exchange.status, exchange.reply_bytes = 200, len(body)
        return body

    def _resolve(self, exchange: Exchange) -> CompiledRoute:
        """Step 4: who can serve the requested model, and what of that this key may use."""
        snapshot = exchange.snapshot
        found = exchange.match
        key = exchange.key
        assert found is not None
        assert key is not None
        if not exchange.requested_model:
            home = snapshot.home_for(exchange.dialect, found.provider)
            if key.models and exchange.endpoint.operation in _UNSEEN_MODEL and exchange.batch is None:
                snapshot.check_whole_provider(key, home)
            return home
        return self._resolve_name(exchange, exchange.requested_model, found.provider, key)

    def _resolve_name(self, exchange: Exchange, requested: str, pinned: str | None, key: VirtualKey) -> CompiledRoute:
        snapshot = exchange.snapshot
        name = requested
        if ":" in requested:
            name, exchange.sort = snapshot.without_suffix(requested)
        compiled = snapshot.route_for(name, exchange.endpoint, pinned)
        if key.models:
            compiled = snapshot.permitted(key, name, compiled)
        envelope = exchange.envelope
        if not exchange.has_preferences or envelope is None or not envelope.has("models") or _is_left_to(compiled):
            return compiled
        raw = envelope.raw("models")
        others = [snapshot.route_for(other, exchange.endpoint, pinned) for other in read_models(raw)] if raw is not None else []
        if key.models:
            names = read_models(raw) if raw is not None else ()
            others = [snapshot.permitted(key, other, each) for other, each in zip(names, others, strict=True)]
        return snapshot.one_after_another([compiled, *others]) if others else compiled

    @staticmethod
    def _by_own_keys(exchange: Exchange, compiled: CompiledRoute) -> CompiledRoute:
        """The route as it is for who has brought keys of his own. Raises `GatewayError` where those cannot be read."""
        assert exchange.key is not None
        return exchange.snapshot.by_own_keys(exchange.key, compiled)

    def _decide(self, exchange: Exchange, compiled: CompiledRoute) -> Sequence[Candidate]:
        """Who is asked, in which order. Raises `GatewayError` where nobody may be."""
        if compiled.only is not None and not needs_a_decision(exchange):
            return compiled.candidates
        if _is_left_to(compiled):
            return compiled.candidates
        route = compiled.route
        wishes = wishes_of(exchange, route)
        traits = RequestTraits(exchange, route)
        order = decide(compiled.branch, traits, wishes, self.fleet.rng, self._clock.now_ns())
        if not order:
            raise nobody_may(exchange, compiled, wishes)
        return order

    async def _admit(self, exchange: Exchange) -> None:
        """Step 5: a place for its Record, and room for one more; where there is none, wait for it a little. Cheap, and before the
        body is read."""
        if self._sink.is_full or self._books.is_full:
            raise GatewayError(
                ErrorKind.GATEWAY_OVERLOADED, "The gateway can't take accounts fast enough.", retry_after_ns=_RETRY_SOON_NS
            )
        while self._n_admitted >= exchange.snapshot.limits.max_in_flight:
            await self._room.wait(exchange)
        self._n_admitted += 1
        exchange.is_admitted = True

    async def _explain(self, exchange: Exchange) -> None:
        """Tell who would be asked, without asking."""
        body = await exchange.downstream.read_body(exchange.snapshot.limits.max_body_bytes)
        described = described_exchange(exchange, body)
        compiled = self._by_own_keys(described, self._resolve(described))
        answer = explain(described, compiled, self.fleet.rng, self._clock.now_ns())
        exchange.requested_model = described.requested_model
        exchange.status, exchange.reply_bytes = 200, len(answer)
        settle(exchange, self._clock, self._books, self._sink)
        send_json(exchange, answer)

    # --- one answer for several requests --------------------------------------------------------------------------

    async def _is_replayed(self, exchange: Exchange) -> bool:
        """Whether a request under an `Idempotency-Key` was answered with the answer of the one before it."""
        if exchange.body is None or exchange.downstream.method != b"POST":
            return False
        key = checked_key(exchange.header(KEY_HEADER))
        return await self._is_shared(exchange, self._shelf, (exchange.key_id, key), fingerprint_of(exchange))

    async def _is_joined(self, exchange: Exchange) -> bool:
        """Whether a request was answered with the answer of an equal one that was under way."""
        if exchange.body is None or exchange.downstream.method != b"POST" or isinstance(exchange.downstream, Tee):
            return False
        fingerprint = fingerprint_of(exchange)
        return await self._is_shared(exchange, self._under_way, (exchange.key_id, fingerprint.hex()), fingerprint)

    async def _is_shared(self, exchange: Exchange, shelf: Shelf, name: Name, fingerprint: bytes) -> bool:
        while (recording := shelf.find(name, fingerprint)) is not None:
            listener = Listener(recording, exchange.downstream)
            if await listener.listen():
                exchange.status, exchange.reply_bytes = recording.status, recording.size
                exchange.edits = [f"joined:{recording.request_id}"]
                settle(exchange, self._clock, self._books, self._sink)
                exchange.downstream.end()
                return True
            if exchange.downstream.has_started:
                raise GatewayError(ErrorKind.PROVIDER_BROKE_OFF, "The answer that this request had joined broke off.")
        exchange.downstream = shelf.record(name, fingerprint, exchange)
        return False

    async def _goes_on_for_others(self, exchange: Exchange) -> bool:
        """The client has gone. Whether its answer was brought to its end, since others listen to it."""
        relay, downstream = exchange.relay, exchange.downstream
        if relay is None or not relay.is_begun or not isinstance(downstream, Tee) or not downstream.leave():
            return False
        exchange.error = relay.error if relay.is_over else await relay.outcome()
        return True

    # --- the end ------------------------------------------------------------------------------------------------

    async def _end(self, exchange: Exchange) -> None:
        """Settle first, then let the client have the end of its reply."""
        error, downstream = exchange.error, exchange.downstream
        if error is not None:
            if exchange.reply is not None:
                exchange.reply.abort()
            if not downstream.has_started and (exchange.relay is None or not exchange.relay.is_begun):
                exchange.status = error_status(error, self._dialect_of(exchange))
        if exchange.file_watch is not None:
            keep_file(exchange, self._responses)  # before its client can make a batch of it
        try:
            try:
                if exchange.sample is not None and self._token_counter is not None and may_need_count(exchange):
                    await count_tokens(exchange, self._token_counter)
                elif exchange.endpoint.operation in FETCHES and may_settle(exchange):
                    await claim(exchange, self._responses)
            finally:
                written = settle(exchange, self._clock, self._books, self._sink)
            if written is not None:
                await written
        finally:
            self._close(exchange)
            if exchange.pending is not None:
                keep_pending(exchange, self._responses)
            if exchange.witness is not None:
                self._keep_payload(exchange, exchange.witness)
            exchange.let_go()

    def _keep_payload(self, exchange: Exchange, witnessed: Witness) -> None:
        rules = exchange.snapshot.payloads
        if rules is not None and self._payload_keeper is not None and (found := payload_of(exchange, witnessed, rules)) is not None:
            self._payload_keeper.keep(found)

    def _close(self, exchange: Exchange) -> None:
        """What is left to send, and the end."""
        error, relay = exchange.error, exchange.relay
        downstream = exchange.downstream
        if error is None:
            if isinstance(relay, TranslatedRelay) and is_kept_here(exchange):
                keep_response(exchange, self._responses, relay.last_bytes)
            if relay is not None:
                relay.end()
        elif relay is not None and relay.is_begun:
            relay.break_off(error)
        elif error.kind is ErrorKind.CLIENT_CLOSED or (downstream.has_started and exchange.status != 101):
            downstream.abort()
        elif not downstream.has_started:
            status, lines, body = self.render(error, exchange)
            downstream.start(status, lines, len(body))
            downstream.end(body)

    def render(self, error: GatewayError, exchange: Exchange) -> tuple[int, bytes, bytes]:
        """An error as (status, header lines, body) in the caller's dialect."""
        dialect = self._dialect_of(exchange)
        own = [(b"x-weighbridge-request-id", exchange.request_id.encode())]
        headers = error_headers(error)
        lines = header_lines([*headers, *own])
        if exchange.target is not None:
            lines += exchange.target.reply_lines
        if len(exchange.attempts) > 1:
            lines += attempts_line(exchange)
        if exchange.reply is not None:
            # The provider's own error, told anew: its rate limits and request id pass, as they do with a forwarded one.
            told = OF_THE_BODY.union(name for name, _ in headers)
            lines += returned_lines([pair for pair in exchange.reply.headers if pair[0] not in told])
        if exchange.account.draws or exchange.account.refused is not None:
            lines += limit_lines(exchange, lines)
        return error_status(error, dialect), lines, render_error(error, dialect, exchange.request_id)

    @staticmethod
    def _dialect_of(exchange: Exchange) -> Dialect:
        """In which dialect the caller is to be answered; a request that matched nothing shows it by its path and headers."""
        return exchange.dialect if exchange.match is not None else guess_dialect(exchange.path, exchange.fields)

    def render_refusal(self, error: GatewayError, downstream: Downstream | None) -> tuple[int, bytes, bytes]:
        """For the engine: a request that never reached `handle`."""
        request_id = self._ids.request_id()
        if downstream is None:
            dialect = guess_dialect(b"", ())
        else:
            dialect = guess_dialect(downstream.target.partition(b"?")[0], dict(downstream.headers))
        own = [(b"x-weighbridge-request-id", request_id.encode())]
        return error.status, header_lines([*error_headers(error), *own]), render_error(error, dialect, request_id)


def _is_left_to(compiled: CompiledRoute) -> bool:
    """Whether the only target is one that understands a request's own preferences, which are then left to it."""
    return compiled.only is not None and compiled.first_target.provider.quirks.takes_preferences


def nobody_may(exchange: Exchange, compiled: CompiledRoute, wishes: Wishes) -> GatewayError:
    """The refusal of a request that no target may serve, with the reason of each."""
    lost: Lost = []
    told = Wishes(wishes.demand, wishes.preferences, lost)
    decide(compiled.branch, RequestTraits(exchange, compiled.route), told, _NO_CHANCE, 0)
    reasons = "; ".join(f"{candidate.id}: {reason}" for candidate, reason in lost[:_MAX_REASONS])
    return GatewayError(
        ErrorKind.PERMISSION_DENIED,
        f"No target of '{exchange.requested_model}' may serve this request: {reasons}.",
        param="model",
        code="no_target_allowed",
    )


def check_key(exchange: Exchange) -> None:
    """Refuse a key whose time is over, or that may not be used from here. Raises `GatewayError`."""
    key = exchange.key
    if key is None:
        return
    if key.addresses and not may_come_from(key.addresses, exchange.downstream.peer):
        raise GatewayError(
            ErrorKind.PERMISSION_DENIED, "This key may not be used from the address you come from.", code="address_not_allowed"
        )
    if key.is_blocked:
        raise GatewayError(
            ErrorKind.PERMISSION_DENIED, "The API key, or whoever it belongs to, is blocked.", code="blocked_api_key"
        )
    if key.expires_wall_ns is not None and exchange.start_wall_ns >= key.expires_wall_ns:
        raise GatewayError(ErrorKind.AUTHENTICATION, "The API key has expired.", code="expired_api_key")
