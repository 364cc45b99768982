"""Double entry: from exchanges to entries that balance. Pure: the same event always gives the same entries.

Each entry debits one account and credits another with one amount, so that the books balance by construction; what is left to
prove is that every attempt which may be billed has its entry, and that no amount is rounded twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from weighbridge.core import rates
from weighbridge.core.money import Nanousd
from weighbridge.core.rates import NO_TARIFF, Tariff
from weighbridge.core.terms import ESTIMATES, Attempt, Provenance, Record
from weighbridge.ledger.terms import BILLED_TO_NOBODY, AccountKind, Entry, EntryKind, Started, account

_CUSTOMER: Final = AccountKind.CUSTOMER
_REVENUE: Final = AccountKind.REVENUE
_COST: Final = EntryKind.COST
_OWN_KEY: Final = EntryKind.OWN_KEY_COST
_UNRESOLVED: Final = EntryKind.UNRESOLVED_COST
_CHARGE: Final = EntryKind.CHARGE
_COST_ACCOUNTS: Final = {
    _COST: (AccountKind.PROVIDER_COST, AccountKind.PROVIDER_PAYABLE),
    _OWN_KEY: (AccountKind.OWN_KEY_COST, AccountKind.OWN_KEY_PAYABLE),
    _UNRESOLVED: (AccountKind.UNRESOLVED_COST, AccountKind.UNRESOLVED_PAYABLE),
}
"""By the reason of a cost: the account that receives it, and the one that gives it."""


def payer(record: Record) -> str:
    """Who pays for an exchange: see `payer_of`."""
    return payer_of(record.organisation, record.team, record.user, record.key_id)


def payer_of(organisation: str, team: str, user: str, key_id: str) -> str:
    """Who pays: the widest owner there is, as `organisation:…`, `team:…`, `user:…` or `key:…`."""
    for kind, name in (("organisation", organisation), ("team", team), ("user", user), ("key", key_id)):
        if name:
            return f"{kind}:{name}"
    return BILLED_TO_NOBODY


def charge_of(attempts: Sequence[Attempt], tariff: Tariff) -> Nanousd:
    """What the customer pays for an exchange: all its attempts together, marked up, discounted, and rounded once, half to even.

    An attempt whose usage nobody told is charged at its estimate where the tariff says so, else not at all; one whose cost
    nobody knows never is. Of one with the customer's own key, the fee that the tariff says. Raises `ValueError` for a tariff that
    would pay the customer.
    """
    ours = own = 0
    for attempt in attempts:
        amount = chargeable(attempt.cost_nanousd, attempt.usage.provenance, tariff)
        if attempt.is_own_key:
            own += amount
        else:
            ours += amount
    return rates.charged(ours, tariff, own)


def chargeable(cost: int | None, provenance: Provenance, tariff: Tariff) -> int:
    """What of an attempt's cost is charged on to the customer: all of it or nothing."""
    return 0 if cost is None or (provenance in ESTIMATES and not tariff.charges_estimates) else cost


def entries_of(record: Record, tariff: Tariff = NO_TARIFF, *, charged: int | None = None) -> list[Entry]:
    """A cost for each attempt that the provider may bill, and the customer's charge: by the tariff, or what was `charged` already.

    An attempt whose usage nobody told is booked apart, at its estimate or at the bound that was held for it, zero or not: a
    question that the books must keep. What a provider bills to the customer, whose own key it was asked with, is a third kind: no
    debt of ours, so that what is not known of it is no question either.

    Who has paid in advance was charged the bound of a response that went on in the background: when it is fetched, the charge is
    what it took beyond that, or a part of it goes back.
    """
    request_id = record.request_id
    wall_ns = record.start_wall_ns + record.duration_ns
    entries = []
    for number, attempt in enumerate(record.attempts):
        amount = attempt.cost_nanousd
        if attempt.is_own_key:
            if amount:
                entries.append(_cost(request_id, number, attempt.provider, amount, _OWN_KEY, wall_ns))
        elif amount is None:
            entries.append(_cost(request_id, number, attempt.provider, attempt.reserved_nanousd, _UNRESOLVED, wall_ns))
        elif attempt.usage.provenance in ESTIMATES:
            entries.append(_cost(request_id, number, attempt.provider, amount, _UNRESOLVED, wall_ns))
        elif amount:
            entries.append(_cost(request_id, number, attempt.provider, amount, _COST, wall_ns))
    if (told := record.resolves) is not None:
        entry_id = f"{told.request_id}/{told.attempt}/told"
        entries.append(resolved(entry_id, told.provider, told.nanousd, wall_ns, told.request_id, told.attempt))
    amount = charge_of(record.attempts, tariff) if charged is None else charged
    if amount:
        entries.append(_charge(request_id, payer(record), amount, wall_ns))
    return entries


def unresolved_entries(started: Iterable[Started], wall_ns: int) -> list[Entry]:
    """For attempts that were sent and never settled: each at its reserved bound, apart from what providers surely bill.

    The customer is charged nothing: nobody can show that they received anything. Budgets count the bound. What was sent with the
    customer's own key is no bill of ours in any case.
    """
    return [
        _cost(each.request_id, each.attempt, each.provider, each.reserved_nanousd, _UNRESOLVED, wall_ns)
        for each in started
        if not each.own_key
    ]


def cost_adjustment(
    entry_id: str, provider: str, difference_nanousd: int, wall_ns: int, *, request_id: str = "", attempt: int = -1, note: str = ""
) -> Entry:
    """A provider's price turned out to be another: the difference (may be negative) is booked, the original stays.

    `entry_id` names the correction, so that it is booked once.
    """
    expense, payable = account(AccountKind.COST_ADJUSTMENTS, provider), account(AccountKind.PROVIDER_PAYABLE, provider)
    debit, credit = (expense, payable) if difference_nanousd >= 0 else (payable, expense)
    kind = EntryKind.COST_ADJUSTMENT
    return Entry(entry_id, debit, credit, abs(difference_nanousd), kind, wall_ns, request_id, attempt, note=note)


def estimate_adjustment(
    entry_id: str, provider: str, difference_nanousd: int, wall_ns: int, request_id: str, attempt: int, *, note: str = ""
) -> Entry:
    """The same for what was booked apart, since nobody knows what was used."""
    expense, payable = account(AccountKind.UNRESOLVED_COST, provider), account(AccountKind.UNRESOLVED_PAYABLE, provider)
    debit, credit = (expense, payable) if difference_nanousd >= 0 else (payable, expense)
    kind = EntryKind.COST_ADJUSTMENT
    return Entry(entry_id, debit, credit, abs(difference_nanousd), kind, wall_ns, request_id, attempt, note=note)


def own_key_adjustment(
    entry_id: str, provider: str, difference_nanousd: int, wall_ns: int, request_id: str, attempt: int, *, note: str = ""
) -> Entry:
    """The same for what a provider bills to the customer."""
    expense, payable = account(AccountKind.OWN_KEY_COST, provider), account(AccountKind.OWN_KEY_PAYABLE, provider)
    debit, credit = (expense, payable) if difference_nanousd >= 0 else (payable, expense)
    kind = EntryKind.COST_ADJUSTMENT
    return Entry(entry_id, debit, credit, abs(difference_nanousd), kind, wall_ns, request_id, attempt, note=note)


def resolved(
    entry_id: str, provider: str, bound_nanousd: int, wall_ns: int, request_id: str, attempt: int, *, note: str = ""
) -> Entry:
    """What an attempt costs is known after all: the bound at which it was booked apart is taken back."""
    return estimate_adjustment(entry_id, provider, -bound_nanousd, wall_ns, request_id, attempt, note=note)


def charge_adjustment(
    entry_id: str, owner: str, difference_nanousd: int, wall_ns: int, *, request_id: str = "", note: str = ""
) -> Entry:
    """The same for what a customer (see `payer`) is charged: a negative difference is in their favour."""
    customer, income = account(_CUSTOMER, owner), account(AccountKind.CHARGE_ADJUSTMENTS, owner)
    debit, credit = (customer, income) if difference_nanousd >= 0 else (income, customer)
    return Entry(entry_id, debit, credit, abs(difference_nanousd), EntryKind.CHARGE_ADJUSTMENT, wall_ns, request_id, note=note)


def top_up(entry_id: str, owner: str, amount_nanousd: int, wall_ns: int, *, expires_wall_ns: int = 0, note: str = "") -> Entry:
    """A customer (see `payer`) has paid in advance. `entry_id` names the payment. Raises `ValueError` unless it is positive."""
    return _credit(entry_id, EntryKind.TOP_UP, AccountKind.FUNDS, owner, amount_nanousd, wall_ns, expires_wall_ns, note)


def grant(entry_id: str, owner: str, amount_nanousd: int, wall_ns: int, *, expires_wall_ns: int = 0, note: str = "") -> Entry:
    """A customer was given credits. Raises `ValueError` unless they are positive."""
    return _credit(entry_id, EntryKind.GRANT, AccountKind.GRANTS, owner, amount_nanousd, wall_ns, expires_wall_ns, note)


def expiry(credit_id: str, owner: str, amount_nanousd: int, wall_ns: int) -> Entry:
    """What was left of a credit when its time was over. Booked once for each credit, whoever notices first."""
    customer, expired = account(_CUSTOMER, owner), account(AccountKind.EXPIRED, owner)
    return Entry(f"expiry/{credit_id}", customer, expired, amount_nanousd, EntryKind.EXPIRY, wall_ns)


def left_of_credit(amount_nanousd: int, balance_nanousd: int, later_nanousd: int) -> Nanousd:
    """How much of an expiring credit is unused, when charges use up what expires first.

    `balance_nanousd` is the customer's balance now, with this credit and after every earlier expiry; `later_nanousd` the sum
    of their live credits that expire later or never, which no charge has touched while this one lasted.
    """
    return Nanousd(max(0, min(amount_nanousd, balance_nanousd - later_nanousd)))


def _credit(
    entry_id: str, kind: EntryKind, source: AccountKind, owner: str, amount: int, wall_ns: int, expires_wall_ns: int, note: str
) -> Entry:
    if amount <= 0:
        raise ValueError("a credit is more than nothing")
    debit, credit = account(source, owner), account(_CUSTOMER, owner)
    return Entry(entry_id, debit, credit, amount, kind, wall_ns, expires_wall_ns=expires_wall_ns, note=note)


def _cost(request_id: str, attempt: int, provider: str, amount: int, kind: EntryKind, wall_ns: int) -> Entry:
    debit, credit = _COST_ACCOUNTS[kind]
    entry_id = f"{request_id}/{attempt}"
    return Entry(entry_id, account(debit, provider), account(credit, provider), amount, kind, wall_ns, request_id, attempt)


def _charge(request_id: str, owner: str, amount: int, wall_ns: int) -> Entry:
    customer, revenue = account(_CUSTOMER, owner), account(_REVENUE, owner)
    debit, credit = (customer, revenue) if amount >= 0 else (revenue, customer)
    return Entry(f"{request_id}/charge", debit, credit, abs(amount), _CHARGE, wall_ns, request_id)


def charged_by(entry: Entry) -> int:
    """What an entry charges its customer; negative where it gives something back, nothing where it is no charge."""
    if entry.kind is not _CHARGE:
        return 0
    return entry.amount_nanousd if entry.debit.startswith(_CUSTOMER) else -entry.amount_nanousd
