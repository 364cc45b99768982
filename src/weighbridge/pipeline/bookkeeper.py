"""Budgets, limits and the journal, for the requests of one worker: who is admitted, what an attempt holds, what is written when.

The order is what makes it hold whatever happens: the worst case is held, then the journal says that an attempt begins, then its
first byte is sent; at the end the journal has the Record, then what was held is exchanged for what was spent, then the client gets
the reply's last byte. So whoever dies anywhere leaves too much held rather than too little, until its journal is closed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from weighbridge.core.allowances import UNLIMITED, ScopeKind, Shortage
from weighbridge.core.errors import GatewayError
from weighbridge.core.money import PICO_PER_NANO
from weighbridge.core.rates import Tariff
from weighbridge.core.tasks import Signal, on_a_task
from weighbridge.core.terms import Attempt, Operation, Record, Usage, WireFormat
from weighbridge.ledger.books import payer_of
from weighbridge.ledger.journal import Journal
from weighbridge.ledger.pricing import NO_PIECES, Extent
from weighbridge.ledger.tariffs import Customer
from weighbridge.ledger.terms import Charge, Settled, Started
from weighbridge.limits.accounts import NO_ACCOUNTS, Accounts, Amounts, BudgetAccount, Ledgers, Subject
from weighbridge.limits.leases import LeaseWant, Lessor
from weighbridge.limits.shared import Asked, SharedLimits
from weighbridge.limits.table import Draw, Hold, Slot, Table, TableFullError
from weighbridge.pipeline.account import Account, Holding, used_of
from weighbridge.pipeline.attempt import credential_name, is_by_time
from weighbridge.pipeline.attribution import attribution_of
from weighbridge.pipeline.background import exchanged
from weighbridge.pipeline.bounds import (
    BOUNDLESS,
    HIDDEN_TOKENS,
    WRITES_TEXT,
    choices,
    extent_of,
    extent_of_response,
    may_cost,
    most_output,
    named_cap,
    size_of,
    window_of,
)
from weighbridge.pipeline.exchange import Exchange
from weighbridge.pipeline.limiter import SharedLimiter, take
from weighbridge.pipeline.output_cap import thinking_budget
from weighbridge.pipeline.output_watch import OutputWatch, marker_of
from weighbridge.pipeline.pieces import most_pieces
from weighbridge.pipeline.refusals import (
    budget_exceeded,
    budgets_unknown,
    cannot_be_bounded,
    limit_exceeded,
    price_unknown,
    too_many_names,
)
from weighbridge.pipeline.said import Said
from weighbridge.pipeline.slices import Slice, Slices
from weighbridge.pipeline.target import Target
from weighbridge.pipeline.wanted import Need, Wanted, amounts_of
from weighbridge.wire.translate import FORMAT_OF

_SHARE_OF_THE_IMPLICIT: Final = 4
"""A request that names no bound on its output may hold a quarter of what is left: it hardly needs the model's maximum."""
_MIN_OUTPUT_TOKENS: Final = 256
"""An answer that would have to be shorter, and shorter than asked for, is refused."""
_IMPLICIT_OUTPUT_TOKENS: Final = 1_024
"""A request that names no bound may hold so many whatever its share."""
_SAFE_OUTPUT_TOKENS: Final = 4_096
"""Every model takes a bound of so many; one that is above a model's own maximum is refused by its provider."""
_MAX_TRIES: Final = 4
"""How often a lowered request is fitted anew where others took the room meanwhile."""
_MAX_BYTES_A_CHARACTER: Final = 4
"""Of UTF-8."""

_REALTIME: Final = Operation.REALTIME
_K = ScopeKind
_OF_A_REQUEST: Final[dict[ScopeKind, Callable[[Exchange, Account], Sequence[Subject]]]] = {
    _K.GATEWAY: lambda _exchange, _account: ((_K.GATEWAY, "", ""),),
    _K.ORGANISATION: lambda exchange, _account: ((_K.ORGANISATION, exchange.key.organisation if exchange.key else "", ""),),
    _K.TEAM: lambda exchange, _account: ((_K.TEAM, exchange.key.team if exchange.key else "", ""),),
    _K.USER: lambda exchange, _account: ((_K.USER, exchange.key.user if exchange.key else "", ""),),
    _K.KEY: lambda exchange, _account: ((_K.KEY, exchange.key.id, exchange.key.name) if exchange.key else (_K.KEY, "", ""),),
    _K.ROUTE: lambda exchange, _account: ((_K.ROUTE, exchange.route_name, ""),),
    _K.END_USER: lambda _exchange, account: ((_K.END_USER, account.end_user, ""),),
    _K.TAG: lambda _exchange, account: tuple((_K.TAG, tag, "") for tag in account.tags),
}
_OF_A_TARGET: Final[dict[ScopeKind, Callable[[Target, int], Subject]]] = {
    _K.MODEL: lambda target, _turn: (_K.MODEL, target.name, ""),
    _K.PROVIDER: lambda target, _turn: (_K.PROVIDER, target.deployment.provider, ""),
    _K.PROVIDER_KEY: lambda target, turn: (_K.PROVIDER_KEY, credential_name(target, turn), ""),
}


class Lacking(NamedTuple):
    """What a host has too little of on lease."""

    accounts: list[BudgetAccount]
    wants: list[LeaseWant]
    """Of each account."""


class Bookkeeper:
    """One for each worker. `table` has what all workers of the host have used, `journal` takes what must outlive this one, `lessor`
    has what this host lacks of budgets that it shares with others, `shared` the rate limits that it shares, if it does."""

    def __init__(self, table: Table, journal: Journal, lessor: Lessor, shared: SharedLimits | None = None) -> None:
        self._table = table
        self._journal = journal
        self._lessor = lessor
        self._shared = SharedLimiter(table, shared) if shared is not None else None
        self._settle = self._shared.settle if self._shared is not None else table.settle

    @property
    def is_full(self) -> bool:
        """Whether the journal cannot be written: nothing may be admitted."""
        return self._journal.is_full

    # --- admission ----------------------------------------------------------------------------------------------

    def admit(self, exchange: Exchange, now_ns: int) -> Asked | None:
        """Find out whom a request counts for, and take its part of every rate limit. What comes back was asked of limits that hosts
        share: wait for its signal, then call `admitted`. Raises `GatewayError` LIMIT_EXCEEDED."""
        account = exchange.account = Account(*attribution_of(exchange))
        ledgers = exchange.snapshot.ledgers
        if not ledgers.counts_requests:
            return None
        key = exchange.key
        who = account.end_user if ledgers.counts_end_users else ""
        name = (key.id if key is not None else "", exchange.route_name, who, account.tags)
        accounts = account.accounts = ledgers.by_request.get(name) or _accounts_of(exchange, ledgers, name)
        if not accounts.limits:
            return None
        if self._shared is not None:
            account.asked = self._shared.ask(exchange, accounts.limits)
            return account.asked
        self._take(account, *take(self._table, exchange, accounts.limits, now_ns))
        return None

    def admitted(self, exchange: Exchange, now_ns: int) -> None:
        """What was asked for is known. Raises `GatewayError` LIMIT_EXCEEDED or GATEWAY_OVERLOADED."""
        account = exchange.account
        asked, account.asked = account.asked, None
        if asked is not None and self._shared is not None:
            self._take(account, *self._shared.given(exchange, asked, account.accounts.limits, now_ns))

    def _take(self, account: Account, draws: Sequence[Draw], short: Draw | None) -> None:
        if short is not None:
            account.refused = account.accounts.limits[draws.index(short)], short
            raise limit_exceeded(*account.refused)
        account.draws = draws

    # --- one attempt --------------------------------------------------------------------------------------------

    def reserve(
        self,
        exchange: Exchange,
        target: Target,
        turn: int,
        now_ns: int,
        said: Said | None = None,
        *,
        has_asked: bool = False,
    ) -> Lacking | None:
        """Hold the most that an attempt may cost in every budget that counts it, and take its part of its target's rate limits.

        `said` is what the request is sent with besides, so that its stream goes on. Where a budget has less, the output is capped
        (`exchange.output_cap`) if the budget says so. What comes back is what this host lacks of budgets that it shares: nothing is
        held then; `lease` it and try again with `has_asked`.

        Raises `GatewayError` BUDGET_EXCEEDED, LIMIT_EXCEEDED, PRICE_UNKNOWN or PERMISSION_DENIED.
        """
        exchange.holding = None
        if exchange.output_cap:
            exchange.output_cap = 0
        if not may_cost(exchange):
            return None
        account = exchange.account
        budgets = account.accounts.budgets
        ledgers = exchange.snapshot.ledgers
        of_target = NO_ACCOUNTS
        if ledgers.kinds_of_targets:
            of_target = _accounts_of_target(ledgers, target, turn)
            budgets += of_target.budgets
        if target.own is not None:
            budgets = tuple([each for each in budgets if each.budget.counts_own_keys])
        cap, is_doubtful = named_cap(exchange, target)
        key = exchange.key
        if is_doubtful or (key is not None and key.max_output_tokens is not None):
            cap = capped_by_key(exchange, cap, is_doubtful=is_doubtful)
        n_said = 0 if said is None else _MAX_BYTES_A_CHARACTER * len(said.text)
        if not budgets:
            holding = _bounded(exchange, target, cap, n_said)
        else:
            found = self._held(exchange, target, cap, n_said, budgets, may_ask=not has_asked)
            if isinstance(found, Lacking):
                return found
            holding = found
        if of_target.limits:
            self._draw_for_target(exchange, holding, of_target, now_ns)
        account.n_started += 1
        if target.own is not None:
            holding.own_key = credential_name(target, turn)
        exchange.holding = holding
        return None

    def reserved(self, exchange: Exchange, holding: Holding, now_ns: int) -> None:
        """What was asked for an attempt (`Holding.asked`: wait for its signal) is known. Raises `GatewayError` LIMIT_EXCEEDED or
        GATEWAY_OVERLOADED."""
        asked, holding.asked = holding.asked, None
        if asked is not None and self._shared is not None:
            self._take_for_target(holding, *self._shared.given(exchange, asked, holding.limits, now_ns))

    async def lease(self, lacking: Lacking) -> None:
        """Get what is lacking from what all hosts share, as far as it is there. Raises `GatewayError` GATEWAY_OVERLOADED where
        nobody can say."""
        await on_a_task()
        granted = await self._lessor.ask(lacking.wants)
        if granted is None:
            raise budgets_unknown()
        for account, each in zip(lacking.accounts, granted, strict=False):
            account.elsewhere = (each.spent, each.leased)

    def announce(self, exchange: Exchange) -> Signal | None:
        """Write that an attempt is about to be sent. A signal: wait for it before its first byte goes."""
        holding = exchange.holding
        if holding is None:
            return None
        held = holding.held() if holding.holds else ()
        return self._journal.append_started(_started(exchange, holding, holding.nanousd, held))

    def void(self, exchange: Exchange) -> None:
        """An attempt that was not announced is not made after all."""
        holding = exchange.holding
        exchange.holding = None
        if holding is None:
            return
        holding.watch = holding.slices = None  # these hold the exchange
        if holding.holds or holding.draws:
            self._settle(holding.holds, [0] * len(holding.holds), holding.draws, [0] * len(holding.draws))

    def concede(self, exchange: Exchange) -> None:
        """Attempts that are over will be followed by another: exchange what they held for what they came to, so that it may have
        the room. The journal is told first, as if they had begun with no more."""
        account = exchange.account
        if self._shared is not None:
            self._abandon(account)
        for holding in account.over:
            charges = _charges(holding)
            self._journal.append_started(_started(exchange, holding, holding.spent_nanousd, tuple(charges)))
            self._settle(holding.holds, holding.spent(), holding.draws, holding.used())
            account.charges += charges
        account.over = []

    def _held(
        self,
        exchange: Exchange,
        target: Target,
        cap: int | None,
        n_said: int,
        budgets: Sequence[BudgetAccount],
        *,
        may_ask: bool,
    ) -> Holding | Lacking:
        """Hold what is wanted of every budget, or what fits; or say what to ask other hosts for. Raises `GatewayError`."""
        operation = exchange.endpoint.operation
        is_boundless = operation in BOUNDLESS or (operation is _REALTIME and is_by_time(target))
        batch = exchange.batch if is_boundless else None
        if is_boundless and batch is None and (hard := next((b for b in budgets if b.budget.is_hard), None)) is not None:
            raise cannot_be_bounded(hard)
        is_session = operation is _REALTIME and any(each.budget.is_hard for each in budgets)
        wanted: Need
        if batch is not None:
            wanted = Need(target, batch.extent, batch.nanousd, exchange.account.accounts.tariff)
        else:
            extent, kinds = extent_of_response(exchange, target) if is_session else extent_of(exchange, target, cap)
            if n_said:
                extent = extent._replace(input_tokens=extent.input_tokens + n_said)
            wanted = Wanted(exchange, target, cap, extent, kinds)
        wall_ns = exchange.start_wall_ns
        tries = 0
        while True:
            amounts = wanted.amounts()
            holds = [Hold(each.slot_at(wall_ns), each.limit, amounts[each.unit]) for each in budgets]
            try:
                short = self._table.reserve(holds)
            except TableFullError:
                raise too_many_names() from None
            if short is None:
                break
            if may_ask and budgets[holds.index(short)].is_leased:
                return self._lacking(budgets, holds, is_modest=cap is None and batch is None)
            tries += 1
            lacking = budgets[holds.index(short)]
            may_lower = lacking.budget.on_shortage is Shortage.LOWER and tries < _MAX_TRIES
            if not (may_lower and isinstance(wanted, Wanted) and self._is_lowered(exchange, wanted, budgets)):
                raise budget_exceeded(lacking, short.amount, self._table, wall_ns)
        holding = Holding(exchange.account.n_started, target.deployment, wanted.extent[0], wanted.extent[1], wanted.nanousd)
        holding.budgets, holding.holds, holding.counts = budgets, holds, True
        holding.pieces = wanted.extent.pieces
        if not isinstance(wanted, Wanted):
            return holding
        if is_session:
            holding.slices = self._slices(exchange, holding, wanted)
        elif exchange.is_stream and any(each.budget.is_hard for each in budgets):
            holding.watch = self._watch(exchange, target, holding, wanted)
        return holding

    def _watch(self, exchange: Exchange, target: Target, holding: Holding, wanted: Wanted) -> OutputWatch | None:
        """Who counts what comes of a stream; None for streams in which nothing can be counted."""
        into = target.translated_into
        spoken = FORMAT_OF.get(exchange.endpoint.operation) if into is None else into
        marker = marker_of(spoken) if isinstance(spoken, WireFormat) else b""
        if not marker:
            return None
        return OutputWatch(marker, wanted.extent.output_tokens, lambda: self._extend(exchange, holding, wanted))

    def _extend(self, exchange: Exchange, holding: Holding, wanted: Wanted) -> int:
        """Hold more for a stream that goes on beyond its bound. For how many tokens: 0 where a budget has no room for them."""
        before, more = wanted.amounts(), max(_MIN_OUTPUT_TOKENS, holding.output_tokens // _SHARE_OF_THE_IMPLICIT)
        wanted.cap_at(wanted.extent.output_tokens + more)
        grown = [after - each for after, each in zip(wanted.amounts(), before, strict=True)]
        extra = [Hold(hold.slot, hold.limit, grown[each.unit]) for each, hold in zip(holding.budgets, holding.holds, strict=True)]
        if self._table.reserve(extra) is not None:
            return 0
        for hold, each in zip(holding.holds, extra, strict=True):
            hold.amount += each.amount
        holding.output_tokens, holding.nanousd = wanted.extent.output_tokens, wanted.nanousd
        # Nobody waits for it to be safe: the stream's first bytes have waited for what was said before.
        self._journal.append_started(_started(exchange, holding, holding.nanousd, holding.held()))
        return more

    def _slices(self, exchange: Exchange, holding: Holding, wanted: Wanted) -> Slices:
        """What a realtime session holds, of which this is the first slice."""

        def hold(nanousd: int, tokens: Extent) -> bool:
            return self._is_held(exchange, holding, wanted.amounts_of(nanousd, tokens), nanousd, tokens)

        return Slices(Slice(wanted.extent, wanted.nanousd), wanted.cost_of, hold)

    def _is_held(self, exchange: Exchange, holding: Holding, amounts: Amounts, nanousd: int, tokens: Extent) -> bool:
        """Whether a session could be made to hold these amounts. What it holds beyond them goes back."""
        pairs = list(zip(holding.budgets, holding.holds, strict=True))
        more = [Hold(hold.slot, hold.limit, max(0, amounts[each.unit] - hold.amount)) for each, hold in pairs]
        less = [Hold(hold.slot, hold.limit, max(0, hold.amount - amounts[each.unit])) for each, hold in pairs]
        if not any(each.amount for each in (*more, *less)):
            return True
        if any(each.amount for each in more) and self._table.reserve(more) is not None:
            return False
        for each, hold in pairs:
            hold.amount = amounts[each.unit]
        holding.nanousd, (holding.input_tokens, holding.output_tokens, *_pieces) = nanousd, tokens
        self._journal.append_started(_started(exchange, holding, nanousd, holding.held()))
        self._table.settle(less, [0] * len(less), (), ())
        return True

    def session_lacks(self, exchange: Exchange, n_responses: int, usage: Usage) -> Lacking | None:
        """What this host lacks of budgets that it shares, for a realtime session to go on with so many responses. None: nothing
        that others could have."""
        holding = exchange.holding
        if holding is None or holding.slices is None:
            return None
        pairs = [(each, hold) for each, hold in zip(holding.budgets, holding.holds, strict=True) if each.is_leased]
        nanousd, tokens = holding.slices.bound(n_responses, usage)
        tariff = exchange.account.accounts.tariff
        amounts = amounts_of(nanousd, tokens, tariff, is_own=bool(holding.own_key))
        missing = [Hold(hold.slot, hold.limit, max(0, amounts[each.unit] - hold.amount)) for each, hold in pairs]
        lacking = self._lacking([each for each, _hold in pairs], missing, is_modest=False)
        return lacking if lacking.wants else None

    def _lacking(self, budgets: Sequence[BudgetAccount], holds: Sequence[Hold], *, is_modest: bool) -> Lacking:
        """Of which shared budgets this host has less than these holds need."""
        pairs = [(each, hold) for each, hold in zip(budgets, holds, strict=True) if each.is_leased]
        short = [(each, hold) for each, hold in pairs if self._table.left(hold.slot, 0) < hold.amount]
        wants = [
            LeaseWant(
                hold.slot.name,
                each.budget.amount,
                hold.amount,
                is_modest=is_modest and each.budget.on_shortage is Shortage.LOWER,
            )
            for each, hold in short
        ]
        return Lacking([each for each, _hold in short], wants)

    def _is_lowered(self, exchange: Exchange, wanted: Wanted, budgets: Sequence[BudgetAccount]) -> bool:
        """Whether the output could be capped at what every budget has left."""
        if exchange.endpoint.operation not in WRITES_TEXT:
            return False
        hard = [each for each in budgets if each.budget.is_hard]
        left = [(self._table.left(each.slot_at(exchange.start_wall_ns), each.limit), each.unit) for each in hard]
        fitting = min(wanted.output_for(amount, unit) for amount, unit in left)
        each = choices(exchange)
        cap = wanted.cap
        if cap is None:
            share = min(wanted.output_for(amount // _SHARE_OF_THE_IMPLICIT, unit) for amount, unit in left)
            fitting = min(fitting, max(share, _IMPLICIT_OUTPUT_TOKENS * each))
            if wanted.target.max_output_tokens is None:
                fitting = min(fitting, _SAFE_OUTPUT_TOKENS * each)
        lowered = fitting // each
        if cap is not None:
            lowered = min(lowered, cap)
        if lowered < min(cap or _MIN_OUTPUT_TOKENS, _MIN_OUTPUT_TOKENS) or lowered <= thinking_budget(exchange):
            return False
        exchange.output_cap = lowered
        wanted.cap_at(lowered * each)
        return True

    def _draw_for_target(self, exchange: Exchange, holding: Holding, accounts: Accounts, now_ns: int) -> None:
        exchange.holding = holding
        holding.limits = accounts.limits
        if self._shared is not None:
            holding.asked = self._shared.ask(exchange, accounts.limits)
            holding.counts = True
            return
        try:
            self._take_for_target(holding, *take(self._table, exchange, accounts.limits, now_ns))
        except GatewayError:
            self.void(exchange)
            raise

    def _take_for_target(self, holding: Holding, draws: Sequence[Draw], short: Draw | None) -> None:
        if short is not None:
            raise limit_exceeded(holding.limits[draws.index(short)], short)
        holding.draws, holding.counts = draws, True

    # --- the end ------------------------------------------------------------------------------------------------

    def settle(self, exchange: Exchange, record: Record) -> Signal | None:
        """Write the Record, then exchange what was held for what was spent, and correct what rate limits were drawn at. A signal:
        wait for it before the reply's last byte goes."""
        if exchange.claimed is None:
            return self._write(exchange, record)
        more = exchanged(exchange, exchange.claimed, record)
        exchange.account.charges += more
        signal = self._write(exchange, record)
        self._settle([Hold(Slot(each.counter), UNLIMITED, 0) for each in more], [each.amount for each in more], (), ())
        return signal

    def _write(self, exchange: Exchange, record: Record) -> Signal | None:
        account = exchange.account
        over = account.over
        if self._shared is not None:
            self._abandon(account)
        if not over and not account.draws:
            return self._journal.append_settled(Settled(record, tuple(account.charges)))
        draws: Sequence[Draw] = account.draws
        # What was fetched counted when it was asked for.
        used = _used(account, record.attempts if exchange.claimed is None else ()) if draws else []
        if len(over) == 1 and not account.charges and not over[0].draws:
            holding = over[0]
            holds, spent = holding.holds, holding.spent()
            charges = [Charge(hold.slot.name, amount) for hold, amount in zip(holds, spent, strict=True)]
        else:
            holds, spent, charges = [], [], list(account.charges)
            for holding in over:
                charges += _charges(holding)
                holds = [*holds, *holding.holds]
                spent += holding.spent()
                draws = [*draws, *holding.draws]
                used += holding.used()
        account.over = []
        signal = self._journal.append_settled(Settled(record, tuple(charges)))
        self._settle(holds, spent, draws, used)
        return signal

    def _abandon(self, account: Account) -> None:
        """Whoever has left while limits were asked has taken nothing of them."""
        left: list[Account | Holding] = [account, *account.over]
        for each in left:
            if each.asked is not None and self._shared is not None:
                self._shared.abandon(each.asked)
                each.asked = None


def _accounts_of(exchange: Exchange, ledgers: Ledgers, name: tuple[object, ...]) -> Accounts:
    found: list[Subject] = []
    for kind in ledgers.kinds_of_requests:
        found += _OF_A_REQUEST[kind](exchange, exchange.account)
    payer, tariff = _prepaid(exchange, ledgers) if ledgers.has_prepaid else ("", None)
    return ledgers.remember(ledgers.by_request, name, ledgers.of(tuple(found), payer, tariff))


def _prepaid(exchange: Exchange, ledgers: Ledgers) -> tuple[str, Tariff | None]:
    """Who pays for a request and what is charged, if that is somebody who has paid in advance."""
    key = exchange.key
    payer = payer_of(key.organisation, key.team, key.user, key.id) if key is not None else ""
    if key is None or not ledgers.is_prepaid(payer):
        return "", None
    customer = Customer(key.id, key.team, key.user, key.organisation, exchange.route_name, exchange.account.tags)
    return payer, exchange.snapshot.tariffs.of_customer(customer)


def _accounts_of_target(ledgers: Ledgers, target: Target, turn: int) -> Accounts:
    name = (target.name, credential_name(target, turn))
    found = ledgers.by_target.get(name)
    if found is not None:
        return found
    subjects = tuple([_OF_A_TARGET[kind](target, turn) for kind in ledgers.kinds_of_targets])
    return ledgers.remember(ledgers.by_target, name, ledgers.of(subjects))


def capped_by_key(exchange: Exchange, cap: int | None, *, is_doubtful: bool) -> int | None:
    """The bound on each answer that counts: never above the key's own. One that is said in several ways is said anew."""
    if exchange.endpoint.operation not in WRITES_TEXT:
        return cap
    most = exchange.key.max_output_tokens if exchange.key is not None else None
    if most is not None and (cap is None or cap > most):
        exchange.output_cap = most
        return most
    if is_doubtful and cap is not None:
        exchange.output_cap = cap
    return cap


def _bounded(exchange: Exchange, target: Target, cap: int | None, n_said: int) -> Holding:
    """What an attempt may use where no budget counts it: for the books alone, so without a look at what its body holds."""
    rates, number = target.dearest, exchange.account.n_started
    if not exchange.requested_model and (batch := exchange.batch) is not None:
        return Holding(number, target.deployment, batch.extent.input_tokens, batch.extent.output_tokens, batch.nanousd)
    if rates is None:
        raise price_unknown(target.name)
    size = size_of(exchange) + n_said
    into, window = size + HIDDEN_TOKENS, window_of(exchange, target)
    if window is not None and into > window:
        into = window
    out = most_output(exchange, target, cap, size)
    pico, pieces = into * rates[0] + out * rates[1] + rates[2], NO_PIECES
    if target.pricer is not None and target.pricer.counts_pieces:
        pieces = most_pieces(exchange, target.pricer)
        pico += target.pricer.bound_of(pieces)
    holding = Holding(number, target.deployment, into, out, (pico + PICO_PER_NANO - 1) // PICO_PER_NANO)
    holding.pieces = pieces
    return holding


def _started(exchange: Exchange, holding: Holding, nanousd: int, charges: tuple[Charge, ...]) -> Started:
    key = exchange.key
    assert key is not None
    return Started(  # by position: see settle.py
        exchange.request_id,
        holding.number,
        exchange.start_wall_ns,
        key.id,
        holding.deployment.provider,
        holding.deployment.model,
        nanousd,
        charges,
        exchange.route_name,
        key.team,
        key.user,
        key.organisation,
        exchange.account.end_user,
        holding.own_key,
    )


def _charges(holding: Holding) -> list[Charge]:
    return [Charge(hold.slot.name, amount) for hold, amount in zip(holding.holds, holding.spent(), strict=True)]


def _used(account: Account, attempts: Sequence[Attempt]) -> list[int]:
    """What each rate limit counts in the end: all attempts together."""
    nanousd = into = out = 0
    if len(account.over) == len(attempts) == 1:
        holding = account.over[0]
        nanousd, into, out = holding.spent_nanousd, holding.spent_input, holding.spent_output
        limits = account.accounts.limits
        return [used_of(limit, draw, nanousd, into, out) for limit, draw in zip(limits, account.draws, strict=True)]
    for attempt in attempts:
        cost = attempt.cost_nanousd
        nanousd += attempt.reserved_nanousd if cost is None else cost
        usage = attempt.usage
        into += usage.total_input
        out += usage.total_output
    return [used_of(limit, draw, nanousd, into, out) for limit, draw in zip(account.accounts.limits, account.draws, strict=True)]
