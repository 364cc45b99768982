"""Steps 8 and 9, over and over until somebody answers or nobody may be asked any more: the one owner of retries.

An attempt may be followed by another only while the caller has nothing of a reply: a relay that has not begun. Why one is
followed, by whom and after which wait is decided by `routing/retry.py`; here it is carried out, and every attempt is noted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import Clock, Upstream, UpstreamReply
from weighbridge.core.routes import RetryPolicy, Route
from weighbridge.core.tasks import on_a_task
from weighbridge.core.terms import Operation, WireFormat
from weighbridge.pipeline.attempt import FindAuthorizer, note_attempt, prepare_for, send_signed
from weighbridge.pipeline.bookkeeper import Bookkeeper
from weighbridge.pipeline.compiled_routes import CompiledRoute, target_of
from weighbridge.pipeline.continued_relay import ContinuedRelay, prepare_continuation
from weighbridge.pipeline.document_translation import document_relay
from weighbridge.pipeline.duplex import run_duplex
from weighbridge.pipeline.exchange import Exchange
from weighbridge.pipeline.fleet import Fleet
from weighbridge.pipeline.held_relay import HeldRelay
from weighbridge.pipeline.own_keys import own_key_failed, own_keys_rest
from weighbridge.pipeline.prepare import prepare
from weighbridge.pipeline.proof import UNKNOWN_SHAPE, ErrorProof, proof_for
from weighbridge.pipeline.race import LOST, Ask, Runner
from weighbridge.pipeline.relay import Relay
from weighbridge.pipeline.said import Said, may_be_followed
from weighbridge.pipeline.target import Target
from weighbridge.pipeline.token_estimate import sample_for
from weighbridge.pipeline.traits import RequestTraits
from weighbridge.pipeline.translated_relay import TranslatedRelay, writer_for
from weighbridge.pipeline.translation import read_conversation
from weighbridge.routing.live import NEVER_NS
from weighbridge.routing.members import Candidate
from weighbridge.routing.retry import STOP, Next, Step, next_step
from weighbridge.wire.continuation import can_be_continued
from weighbridge.wire.translate import FORMAT_OF, OUTBOUND

_K = ErrorKind
_SENDS_AS_IT_CAME: Final = frozenset((_K.PROVIDER_EMPTY, _K.CONTENT_POLICY_VIOLATION))
"""A 200 that is no failure to who must take it: the caller gets it as the provider sent it."""

_MAY_HAVE_BEEN_DONE: Final = frozenset(
    (_K.PROVIDER_BROKE_OFF, _K.PROVIDER_TIMEOUT, _K.PROVIDER_MALFORMED, _K.PROVIDER_INTERNAL, _K.PROVIDER_EMPTY)
)
_SAYS_IT_OF_THE_KEY: Final = frozenset(
    (_K.RATE_LIMIT_EXCEEDED, _K.INSUFFICIENT_QUOTA, _K.PROVIDER_AUTHENTICATION, _K.PROVIDER_PERMISSION)
)
_AMBIGUOUS: Final = frozenset((_K.PROVIDER_BROKE_OFF, _K.PROVIDER_TIMEOUT))
"""After these nobody knows whether the provider did the work, and bills it."""

_ASKS_A_MODEL: Final = frozenset(
    (
        Operation.CHAT,
        Operation.COMPLETIONS,
        Operation.RESPONSES,
        Operation.EMBEDDINGS,
        Operation.RERANK,
        Operation.MODERATIONS,
        Operation.IMAGES,
        Operation.AUDIO,
        Operation.MESSAGES,
        Operation.COUNT_TOKENS,
        Operation.GENERATE,
        Operation.STREAM_GENERATE,
        Operation.EMBED,
        Operation.MODELS,
    )
)
"""What may be asked twice: it changes nothing at the provider. A batch or a file that may have been made is not made again."""

_MAKES_A_BATCH: Final = frozenset((Operation.BATCHES, Operation.MESSAGE_BATCHES))
_SAFE_METHODS: Final = frozenset((b"GET", b"HEAD", b"OPTIONS"))


class Attempts:
    """Carries out what was decided for one exchange after another."""

    def __init__(self, upstream: Upstream, fleet: Fleet, books: Bookkeeper, clock: Clock, find_authorizer: FindAuthorizer) -> None:
        self._upstream = upstream
        self._books = books
        self._fleet = fleet
        self._clock = clock
        self._find_authorizer = find_authorizer
        self._races = Runner(clock)

    async def run(self, exchange: Exchange, compiled: CompiledRoute, order: Sequence[Candidate]) -> None:
        """Ask the candidates in their order. The reply has been relayed afterwards, but for its end; `exchange.error` says if not.

        Raises `GatewayError` where nobody could be asked.
        """
        route, fleet, clock = compiled.route, self._fleet, self._clock
        policy = route.retry if is_repeatable(exchange) else _once_only(route.retry)
        fleet.budget.deposit()
        place = made = asked_ns = 0
        failed: GatewayError | None = None
        while True:
            candidate = order[place]
            target = target_of(candidate)
            has_next = place + 1 < len(order)
            if target.max_in_flight and candidate.live.in_flight >= target.max_in_flight:
                place = await self._passed_over(exchange, candidate.live.id, place, has_next=has_next)
                continue
            now_ns = clock.now_ns()
            asked_ns = asked_ns or now_ns
            turn = target.keys.take(target.deployment.model, now_ns)
            if turn is None:
                if has_next:
                    place += 1
                else:
                    await self._wait_for_key(exchange, target, policy)
                continue
            hedge_ns = self._hedge_ns(exchange, route, policy) if has_next and not made else None
            if hedge_ns is None:
                error = await self._ask(exchange, candidate, turn, route, policy)
            else:
                error, used = await self._race(exchange, order[place : place + 2], turn, route, policy, hedge_ns)
                place += used - 1
                made += used - 1
                has_next = place + 1 < len(order)
            if error is None:
                if compiled.learns:
                    self._note_success(exchange, compiled, target, asked_ns)
                return
            made += 1
            if exchange.relay is not None and exchange.relay.is_begun:
                exchange.error = await self._go_on(exchange, route, policy, error, order[place + 1 :] or order[place:], made)
                return
            if not exchange.decided_ns:  # this target cannot be asked it, so nothing was sent
                if not has_next:
                    raise failed or error
                made -= 1
                place += 1
                continue
            step = self._next_step(exchange, policy, error, made, order, place)
            if step.next is Next.STOP:
                await self._give_up(exchange, error)
                return
            decided_ns = exchange.decided_ns
            failed = _told_of_own_key(exchange, error)
            self._note(exchange, error)
            exchange.forget_attempt()
            exchange.decided_ns = 0
            if step.delay_ns:
                await self._wait(step.delay_ns)
            exchange.waited_ns += clock.now_ns() - decided_ns
            if step.next is Next.OTHER:
                place += 1

    def _note_success(self, exchange: Exchange, compiled: CompiledRoute, first: Target, asked_ns: int) -> None:
        """Tell those who learn from answers."""
        route = compiled.route
        if route.hedging is not None:
            # Of a first call that was overtaken nothing is known but that it was slow.
            overtaken = any(attempt.error == LOST for attempt in exchange.attempts) and exchange.target is not first
            self._fleet.note_first_token(route, NEVER_NS if overtaken else exchange.first_byte_ns - asked_ns)
        if compiled.affinities:
            assert exchange.target is not None
            who = exchange.target.deployment
            prefixes = RequestTraits(exchange, route).prefixes
            for affinity in compiled.affinities:
                affinity.note(prefixes, f"{who.provider}/{who.model}", self._clock.now_ns())

    # --- one attempt --------------------------------------------------------------------------------------------

    async def _ask(
        self, exchange: Exchange, candidate: Candidate, turn: int, route: Route, policy: RetryPolicy, said: Said | None = None
    ) -> GatewayError | None:
        """One attempt, from its request to the end of its reply; to go on with what is `said`, if given. What is wrong with it, or
        None."""
        target = exchange.target = target_of(candidate)
        exchange.credential_turn = turn
        exchange.decided_ns = 0
        books = self._books
        try:
            lacking = books.reserve(exchange, target, turn, self._clock.now_ns(), said)
            if lacking is not None:
                await books.lease(lacking)
                books.reserve(exchange, target, turn, self._clock.now_ns(), said, has_asked=True)
            holding = exchange.holding
            if holding is not None and holding.asked is not None:
                await holding.asked.signal
                books.reserved(exchange, holding, self._clock.now_ns())
            if said is None:
                request = prepare(exchange, target, turn) if target.translated_into is None else prepare_for(exchange, target, turn)
            else:
                request = prepare_continuation(exchange, target, turn, said.text)
        except GatewayError as unfit:
            books.void(exchange)
            return unfit.bare()
        if (written := books.announce(exchange)) is not None:
            await written
        exchange.decided_ns = self._clock.now_ns()
        error: GatewayError | None = None
        self._fleet.began(candidate, exchange.decided_ns)
        try:
            if target.is_signed:
                reply = await send_signed(request, target, self._upstream, self._find_authorizer)
            else:
                reply = await self._upstream.send(request)
            exchange.reply = reply
            if candidate.live.reads_headroom:
                self._fleet.health.saw_headers(candidate.live.id, reply.headers, self._clock.now_ns())
            if reply.status == 101:
                await run_duplex(exchange, reply, self._clock, books)
                return None
            if exchange.snapshot.plan.counts_tokens:
                exchange.sample = sample_for(exchange)
            if said is None and not route.continues_midstream:
                relay = self._plain_relay(exchange, reply, target, policy)
            else:
                relay = self._relay_for(exchange, reply, policy, said)
            exchange.relay = relay
            relay.run()
            if relay.is_over:
                error = relay.error
            else:
                if not relay.is_begun:
                    relay.hold_at_most(policy.first_event_ns / NS_PER_S)
                error = await relay.outcome()
        except GatewayError as failed:
            error = failed.bare()
        finally:
            self._fleet.ended(exchange, candidate, target, turn, error)
        return error

    def _relay_for(self, exchange: Exchange, reply: UpstreamReply, policy: RetryPolicy, said: Said | None) -> Relay | HeldRelay:
        """Who takes the reply's bytes to the client where its stream may be continued, or continues another."""
        target = exchange.target
        assert target is not None
        if said is not None:
            return ContinuedRelay(exchange, reply, self._clock, said)
        if exchange.is_stream and reply.status < 300:
            return self._continuable(exchange, reply, policy)
        return self._plain_relay(exchange, reply, target, policy)

    def _plain_relay(self, exchange: Exchange, reply: UpstreamReply, target: Target, policy: RetryPolicy) -> Relay | HeldRelay:
        into = target.translated_into
        clock = self._clock
        if into is None:
            if reply.status >= 400:
                return Relay(exchange, reply, clock, ErrorProof(reply, target.dialect, clock.wall_ns()))
            if policy.max_attempts <= 1:  # nobody else will be asked: what it is, it is
                return Relay(exchange, reply, clock)
            proof = proof_for(reply, exchange.endpoint.operation, target.dialect, is_empty_failure=policy.on_empty)
            return Relay(exchange, reply, clock, proof)
        return TranslatedRelay(exchange, reply, clock) if isinstance(into, WireFormat) else document_relay(exchange, reply, clock)

    def _continuable(self, exchange: Exchange, reply: UpstreamReply, policy: RetryPolicy) -> Relay | HeldRelay:
        """The relay of a stream whose text is remembered, so that somebody else could go on with it."""
        target = exchange.target
        assert target is not None
        spoken = FORMAT_OF.get(exchange.endpoint.operation)
        is_text = reply.content_type.startswith(b"text/event-stream") and not reply.content_encoding
        if spoken not in OUTBOUND or exchange.body is None or not can_be_continued(read_conversation(exchange)):
            return self._plain_relay(exchange, reply, target, policy)
        if target.translated_into is None:
            # The Responses API names every item and repeats all of them at its end: another writer cannot go on in its midst.
            if is_text and spoken is not WireFormat.OPENAI_RESPONSES:
                exchange.said = Said(writer_for(exchange), OUTBOUND[spoken].event_reader())
            return self._plain_relay(exchange, reply, target, policy)
        relay = self._plain_relay(exchange, reply, target, policy)
        if isinstance(relay, TranslatedRelay) and (writer := relay.writer) is not None:
            exchange.said = Said(writer)
        return relay

    # --- a second target beside the first ---------------------------------------------------------------------------

    def _hedge_ns(self, exchange: Exchange, route: Route, policy: RetryPolicy) -> int | None:
        """After which time without a token a second target is asked; None: it is not."""
        if route.hedging is None or policy.max_attempts < 2 or not _is_harmless(exchange):
            return None
        return self._fleet.hedge_after_ns(route)

    async def _race(
        self, exchange: Exchange, order: Sequence[Candidate], turn: int, route: Route, policy: RetryPolicy, delay_ns: int
    ) -> tuple[GatewayError | None, int]:
        """See `race.Runner.run`."""

        def second() -> Ask | None:
            # Asked for only when the time has come: a key or a budget that was there before may be used up.
            if not self._fleet.may_hedge(route):
                return None
            target = target_of(order[1])
            other = target.keys.take(target.deployment.model, self._clock.now_ns())
            return None if other is None else lambda rival: self._ask(rival, order[1], other, route, policy)

        return await self._races.run(exchange, lambda own: self._ask(own, order[0], turn, route, policy), second, delay_ns)

    # --- mid-stream ---------------------------------------------------------------------------------------------

    async def _go_on(
        self,
        exchange: Exchange,
        route: Route,
        policy: RetryPolicy,
        error: GatewayError,
        candidates: Sequence[Candidate],
        made: int,
    ) -> GatewayError | None:
        """A stream broke off after the caller had some of it: have it continued where that is possible. What ended it."""
        waiting = iter(candidates)
        while (said := exchange.said) is not None and said.can_go_on and may_be_followed(error) and made < policy.max_attempts:
            candidate = next(waiting, None)
            if candidate is None:
                break
            target = target_of(candidate)
            turn = target.keys.take(target.deployment.model, self._clock.now_ns())
            if turn is None:
                continue
            relay = exchange.relay
            if exchange.decided_ns:
                self._note(exchange, error)
            exchange.forget_reply()
            failed = await self._ask(exchange, candidate, turn, route, policy, said)
            exchange.relay = exchange.relay or relay
            if failed is None:
                return None
            error = failed if exchange.decided_ns else error
            made += 1
        return error

    # --- between attempts ---------------------------------------------------------------------------------------

    def _next_step(
        self, exchange: Exchange, policy: RetryPolicy, error: GatewayError, made: int, order: Sequence[Candidate], place: int
    ) -> Step:
        now_ns = self._clock.now_ns()
        target = target_of(order[place])
        has_next = place + 1 < len(order)
        if (
            error.kind in _SAYS_IT_OF_THE_KEY
            and made < policy.max_attempts
            and target.keys.has_other(exchange.credential_turn, target.deployment.model, now_ns)
        ):
            return Step(Next.SAME)  # another key may do: that is no reason to leave the target
        is_ambiguous = error.kind in _AMBIGUOUS or (error.kind in _MAY_HAVE_BEEN_DONE and not _is_harmless(exchange))
        step = next_step(
            policy,
            error,
            attempt=made,
            elapsed_ns=now_ns - exchange.downstream.received_ns,
            is_ambiguous=is_ambiguous,
            has_next=has_next,
            rng=self._fleet.rng,
        )
        if step.next is Next.STOP or (step.next is Next.OTHER and order[place + 1].live.retry_at_ns <= now_ns):
            return step
        return step if self._fleet.budget.withdraw() else STOP

    async def _passed_over(self, exchange: Exchange, name: str, place: int, *, has_next: bool) -> int:
        """A target has its fill of requests: the next one is asked, or, if there is none, a place waited for."""
        if has_next:
            return place + 1
        now_ns = self._clock.now_ns()
        await self._fleet.room_at(name).wait(exchange)
        exchange.waited_ns += self._clock.now_ns() - now_ns
        return place

    async def _wait_for_key(self, exchange: Exchange, target: Target, policy: RetryPolicy) -> None:
        """Every key of the last candidate rests: wait for the first to be usable. Raises `GatewayError` RATE_LIMIT_EXCEEDED where
        that is longer than a request may wait."""
        now_ns = self._clock.now_ns()
        wait_ns = target.keys.soonest_ns(target.deployment.model, now_ns) - now_ns
        if wait_ns <= 0:  # none rests, but all have their fill of requests
            await self._passed_over(exchange, target.pool_name, 0, has_next=False)
            return
        elapsed_ns = now_ns - exchange.downstream.received_ns
        if policy.max_attempts <= 1 or wait_ns > policy.max_hint_ns or elapsed_ns + wait_ns > policy.time_ns:
            exchange.target = exchange.target or target
            raise all_keys_rest(wait_ns) if target.own is None else own_keys_rest(target, wait_ns)
        await self._wait(wait_ns)
        exchange.waited_ns += self._clock.now_ns() - now_ns

    async def _wait(self, delay_ns: int) -> None:
        await on_a_task()
        await asyncio.sleep(delay_ns / NS_PER_S)

    # --- after a failure ----------------------------------------------------------------------------------------

    async def _give_up(self, exchange: Exchange, error: GatewayError) -> None:
        """The last attempt failed: the caller gets what the provider sent, where that is an answer in its own dialect."""
        relay, reply = exchange.relay, exchange.reply
        if (told := _told_of_own_key(exchange, error)) is not error:
            exchange.error = told
            return
        assert reply is not None or relay is None
        # One that stopped in its middle is no answer, whatever its beginning says.
        if isinstance(relay, Relay) and relay.broken is None and reply is not None and _is_for_the_caller(reply, error):
            exchange.verdict = error
            relay.release()
            exchange.error = relay.error if relay.is_over else await relay.outcome()
        else:
            exchange.error = error

    def _note(self, exchange: Exchange, error: GatewayError) -> None:
        """Put a failed attempt that another one follows into the account."""
        note_attempt(exchange, error.kind.value, self._clock.now_ns())
        self._books.concede(exchange)
        if exchange.reply is not None:
            exchange.reply.abort()


def _told_of_own_key(exchange: Exchange, error: GatewayError) -> GatewayError:
    """The same error, or, if it is a customer's own key that the provider did not take, one that says so."""
    target = exchange.target
    if target is None or target.own is None or error.kind not in _SAYS_IT_OF_THE_KEY:
        return error
    return own_key_failed(error, target, exchange.credential_turn)


def is_repeatable(exchange: Exchange) -> bool:
    """Whether the request could be sent again: its body is held, or it has none; and no batch might be made twice by that."""
    downstream = exchange.downstream
    if downstream.is_upgrade or (not exchange.requested_model and exchange.endpoint.operation in _MAKES_A_BATCH):
        return False
    return exchange.body is not None or not (downstream.is_chunked or downstream.content_length)


def _is_harmless(exchange: Exchange) -> bool:
    return exchange.endpoint.operation in _ASKS_A_MODEL or exchange.downstream.method in _SAFE_METHODS


def _once_only(policy: RetryPolicy) -> RetryPolicy:
    return msgspec.structs.replace(policy, max_attempts=1)


def _is_for_the_caller(reply: UpstreamReply, error: GatewayError) -> bool:
    """Whether a reply that proved wanting is to be sent as it came: an error of the provider's own, or a 200 that says nothing."""
    if reply.status >= 400 or (error.kind is _K.PROVIDER_MALFORMED and error.code == UNKNOWN_SHAPE):
        return error.kind is not _K.PROVIDER_BROKE_OFF and error.kind is not _K.CLIENT_CLOSED
    return error.kind in _SENDS_AS_IT_CAME


def all_keys_rest(wait_ns: int) -> GatewayError:
    """Every key that could be used has been throttled by the provider."""
    return GatewayError(
        ErrorKind.RATE_LIMIT_EXCEEDED,
        "The provider's rate limit is reached for every key of the gateway's.",
        code="rate_limit_exceeded",
        retry_after_ns=max(wait_ns, 0),
    )
