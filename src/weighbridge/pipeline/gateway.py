"""The life of a request. `Gateway.handle` walks the named steps in their order; each lives in the file of its own name."""

from __future__ import annotations

import asyncio
from typing import Final

from weighbridge.auth.presented_key import presented_key
from weighbridge.auth.virtual_keys import KeysDelta, digest_of
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import Clock, Downstream, Ids, KeySource, ResponseKeeper, Sink, Upstream, UpstreamReply
from weighbridge.core.tasks import on_a_task
from weighbridge.core.terms import Dialect, Operation, Origin, VirtualKey, WireFormat
from weighbridge.pipeline.attempt import FindAuthorizer, Turns, attempt
from weighbridge.pipeline.control_proxy import forward_to_control, is_control_path
from weighbridge.pipeline.counting import estimated_count, send_count
from weighbridge.pipeline.document_translation import document_relay
from weighbridge.pipeline.duplex import run_duplex
from weighbridge.pipeline.exchange import Exchange, client_gone, gateway_failed, header_lines
from weighbridge.pipeline.head_memo import recall, remember
from weighbridge.pipeline.headers import OF_THE_BODY, returned_lines
from weighbridge.pipeline.held_relay import HeldRelay
from weighbridge.pipeline.local import answer_locally, models_body, send_models
from weighbridge.pipeline.plan import Plan
from weighbridge.pipeline.receive import guess_dialect, has_envelope, match_endpoint, read_envelope
from weighbridge.pipeline.relay import Relay
from weighbridge.pipeline.settle import settle
from weighbridge.pipeline.snapshot import Snapshot, Target
from weighbridge.pipeline.stored_responses import continue_response, is_kept_here, keep_response, kept_answer, send_kept
from weighbridge.pipeline.translated_relay import TranslatedRelay
from weighbridge.routing.fit import CountStyle
from weighbridge.wire.error_bodies import error_headers, error_status, render_error

_RETRY_SOON_NS: Final = NS_PER_S
"""What a client is told to wait when the gateway itself is full: the load of one second is gone by then."""

_MAX_UNKNOWN_KEYS: Final = 4096
"""Digests of keys that the store did not know; they come from callers, so the set is bounded and then emptied."""

_MODELS: Final = Operation.MODELS  # reaching a member through its class takes 0.1 µs in Python 3.11
_STORED: Final = Operation.RESPONSES_STORED
_UNSEEN_MODEL: Final = frozenset((Operation.RAW, Operation.BATCHES, Operation.MESSAGE_BATCHES))
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
        sink: Sink,
        clock: Clock,
        ids: Ids,
        control: Origin | None,
        find_authorizer: FindAuthorizer = lambda _provider: None,
    ) -> None:
        self.snapshot = Snapshot(plan)
        self.is_draining = False
        self._upstream = upstream
        self._key_source = key_source
        self._responses = responses
        self._sink = sink
        self._clock = clock
        self._ids = ids
        self._control = control
        self._find_authorizer = find_authorizer
        self._turns = Turns()
        self._unknown_keys: set[bytes] = set()
        self.in_flight = 0

    def swap(self, plan: Plan) -> None:
        """A new version of the configuration, from the next request on."""
        self.snapshot = Snapshot(plan)
        self._unknown_keys.clear()

    def swap_keys(self, delta: KeysDelta) -> None:
        """Keys that were made, changed or revoked, from the next request on."""
        self.snapshot = self.snapshot.with_keys(delta)
        self._unknown_keys.clear()

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
        relay: Relay | HeldRelay | None = None
        try:
            if not is_known:
                match_endpoint(exchange)
                exchange.key = self._authenticate(exchange) or await self._ask_for_key(exchange)
                remember(exchange)
            check_expiry(exchange)
            self._admit(exchange)
            if exchange.endpoint.operation is _MODELS and (listing := models_body(exchange)) is not None:
                settle(exchange, self._clock, self._sink)
                send_models(exchange, listing)
                return
            if has_envelope(exchange):
                limit = exchange.snapshot.limits.max_body_bytes
                body = downstream.whole_body(limit)
                read_envelope(exchange, body if body is not None else await downstream.read_body(limit))
            if exchange.endpoint.operation is _STORED and (kept := await self._kept(exchange)) is not None:
                settle(exchange, self._clock, self._sink)
                send_kept(exchange, kept)
                return
            target = exchange.target = self._resolve(exchange)
            if target.translated_into is CountStyle.ESTIMATE:
                count = estimated_count(exchange)
                settle(exchange, self._clock, self._sink)
                send_count(exchange, count)
                return
            if target.translated_into is not None and is_kept_here(exchange):
                await continue_response(exchange, self._responses)
            reply = await attempt(exchange, target, self._upstream, self._turns, self._clock, self._find_authorizer)
            if reply.status == 101:
                await run_duplex(exchange, reply, self._clock)
            else:
                relay = relay_for(exchange, reply, self._clock)
                relay.run()
                exchange.error = relay.error if relay.is_over else await relay.outcome()
        except GatewayError as error:
            exchange.error = error
        except asyncio.CancelledError:
            exchange.error = client_gone()
            raise
        except BaseException as bug:
            exchange.error = gateway_failed(bug)
            raise
        finally:
            self.in_flight -= 1
            self._end(exchange, relay)

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

    async def _kept(self, exchange: Exchange) -> bytes | None:
        """What a request about a stored response is answered, if the gateway keeps it."""
        await on_a_task()
        body = await kept_answer(exchange, self._responses)
        if body is not None:
            exchange.status, exchange.reply_bytes = 200, len(body)
        return body

    def _resolve(self, exchange: Exchange) -> Target:
        """Step 4: who serves the requested model, and whether this key may use it there."""
        snapshot = exchange.snapshot
        found = exchange.match
        key = exchange.key
        assert found is not None
        assert key is not None
        if not exchange.requested_model:
            home = snapshot.home_for(exchange.dialect, found.provider)
            if key.models and exchange.endpoint.operation in _UNSEEN_MODEL:
                snapshot.check_whole_provider(key, home)
            return home
        target = snapshot.target_for(exchange.requested_model, exchange.endpoint, found.provider)
        if key.models:
            snapshot.check_permitted(key, exchange.requested_model, target)
        return target

    def _admit(self, exchange: Exchange) -> None:
        """Step 5: room for one more, and a place for its Record. Cheap, and before the body is read."""
        if self.in_flight > exchange.snapshot.limits.max_in_flight:
            raise GatewayError(
                ErrorKind.GATEWAY_OVERLOADED, "The gateway is at its limit of requests in flight.", retry_after_ns=_RETRY_SOON_NS
            )
        if self._sink.is_full:
            raise GatewayError(
                ErrorKind.GATEWAY_OVERLOADED, "The gateway can't take accounts fast enough.", retry_after_ns=_RETRY_SOON_NS
            )

    # --- the end ------------------------------------------------------------------------------------------------

    def _end(self, exchange: Exchange, relay: Relay | HeldRelay | None) -> None:
        """Settle first, then let the client have the end of its reply."""
        error = exchange.error
        downstream = exchange.downstream
        if error is not None and exchange.reply is not None:
            exchange.reply.abort()
        if error is None:
            settle(exchange, self._clock, self._sink)
            if isinstance(relay, TranslatedRelay) and is_kept_here(exchange):
                keep_response(exchange, self._responses, relay.last_bytes)
            if relay is not None:
                relay.end()
        elif relay is not None and relay.is_begun:
            settle(exchange, self._clock, self._sink)
            relay.break_off(error)
        else:
            if not downstream.has_started:
                exchange.status = error_status(error, self._dialect_of(exchange))
            settle(exchange, self._clock, self._sink)
            if error.kind is ErrorKind.CLIENT_CLOSED:
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
        if exchange.reply is not None:
            # The provider's own error, told anew: its rate limits and request id pass, as they do with a forwarded one.
            told = OF_THE_BODY.union(name for name, _ in headers)
            lines += returned_lines([pair for pair in exchange.reply.headers if pair[0] not in told])
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


def relay_for(exchange: Exchange, reply: UpstreamReply, clock: Clock) -> Relay | HeldRelay:
    """Step 9: who takes the reply's bytes to the client."""
    into = exchange.target.translated_into if exchange.target is not None else None
    if into is None:
        return Relay(exchange, reply, clock)
    return TranslatedRelay(exchange, reply, clock) if isinstance(into, WireFormat) else document_relay(exchange, reply, clock)


def check_expiry(exchange: Exchange) -> None:
    """Refuse a key whose time is over. Raises `GatewayError` AUTHENTICATION."""
    key = exchange.key
    if key is not None and key.expires_wall_ns is not None and exchange.start_wall_ns >= key.expires_wall_ns:
        raise GatewayError(ErrorKind.AUTHENTICATION, "The API key has expired.", code="expired_api_key")
