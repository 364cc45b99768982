"""Prepaid credits: what was given to whom, and what ran out. Methods block on the database.

What an account may spend is all that was given to it; its counter (`limits/counters.py`) has what was charged to it, and what of
its credits ran out unused. Each credit and each expiry has its entry in the books, written in the same transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import Connection, Row, func, insert, select, tuple_, update

from weighbridge.core.allowances import Prepaid
from weighbridge.core.clock import new_id
from weighbridge.ledger import books
from weighbridge.limits.counters import counter_name
from weighbridge.storage.errors import InUseError, NotFoundError
from weighbridge.storage.lease_store import used_by_all
from weighbridge.storage.ledger_store import book_within
from weighbridge.storage.tables import credit_accounts, credits_given
from weighbridge.storage.transactions import BY_GATEWAY, Act, Change, Transactions, differences, replace_row

MAX_ACCOUNTS: Final = 10_000
MAX_PAGE: Final = 200
CreditKind = Literal["top_up", "grant"]


class NewCredit(msgspec.Struct, frozen=True):
    """A credit to be given. `payer` is who pays, as `ledger.books.payer_of` says it."""

    payer: str
    amount: int
    """In nano-dollars, more than none."""
    kind: CreditKind = "top_up"
    expires_wall_ns: int | None = None
    note: str = ""


class Credit(msgspec.Struct, frozen=True):
    """One that was given. `expired` is what of it ran out unused at `expired_wall_ns`."""

    id: str
    account_id: str
    payer: str
    kind: str
    amount: int
    created_wall_ns: int
    expires_wall_ns: int | None
    expired_wall_ns: int | None
    expired: int
    note: str
    actor: str


class CreditAccount(msgspec.Struct, frozen=True):
    """A customer who was given credits. Amounts are nano-dollars."""

    id: str
    payer: str
    is_prepaid: bool
    """Whether requests are refused that the credits do not cover."""
    alert_below: int
    """Operators are told when less is left; 0: they are not."""
    given: int
    """All credits together."""
    expired: int
    next_expiry_wall_ns: int | None
    created_wall_ns: int
    version: int

    @property
    def counter(self) -> str:
        """Where is counted what was charged to it and what ran out."""
        return counter_of(self.payer)


class CreditStore:
    """Accounts and their credits. Raises `StorageError` if the database cannot be used."""

    __slots__ = ("_transactions",)

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def prepaid(self) -> tuple[Prepaid, ...]:
        """Those who may spend no more than their credits, as the data plane takes them."""
        return tuple(Prepaid(account.payer, account.given) for account in self.accounts() if account.is_prepaid)

    def accounts(self) -> list[CreditAccount]:
        """All of them, by payer."""
        with self._transactions.reading() as connection:
            return _accounts(connection)

    def account(self, account_id: str) -> CreditAccount:
        """Raises `NotFoundError`."""
        with self._transactions.reading() as connection:
            return _account(connection, account_id)

    def credits(self, account_id: str, *, limit: int = MAX_PAGE, cursor: str | None = None) -> list[Credit]:
        """At most `limit` of an account's credits, newest first, after the one whose id is `cursor`. Raises `NotFoundError`."""
        with self._transactions.reading() as connection:
            query = _of_accounts().where(credits_given.c.account == _account(connection, account_id).id)
            if cursor is not None:
                last = _credit(connection, cursor)
                query = query.where(tuple_(credits_given.c.created_at, credits_given.c.id) < (last.created_wall_ns, last.id))
            newest = query.order_by(credits_given.c.created_at.desc(), credits_given.c.id.desc()).limit(
                max(1, min(limit, MAX_PAGE))
            )
            return [_told(row) for row in connection.execute(newest)]

    def credit(self, credit_id: str) -> Credit:
        """Raises `NotFoundError`."""
        with self._transactions.reading() as connection:
            return _credit(connection, credit_id)

    def give(self, new: NewCredit, act: Act) -> Credit:
        """Give a credit; the first one makes its customer a prepaid one.

        Raises `InUseError` where there are too many accounts, `ValueError` for an amount that is none, and what `begin_create`
        raises.
        """
        now = self._transactions.clock.wall_ns()
        credit_id = new_id("crd")
        book = books.top_up if new.kind == "top_up" else books.grant
        entry = book(f"{new.kind}/{credit_id}", new.payer, new.amount, now, expires_wall_ns=new.expires_wall_ns or 0, note=new.note)
        with self._transactions.writing() as connection:
            self._transactions.begin_create(connection, act)
            row = {
                "id": credit_id,
                "created_at": now,
                "account": _opened(connection, new.payer, now),
                "kind": new.kind,
                "amount": new.amount,
                "expires_at": new.expires_wall_ns,
                "expired": 0,
                "note": new.note,
                "actor": act.actor,
            }
            connection.execute(insert(credits_given).values(row))
            self._transactions.remember_create(connection, act, credit_id)
            told = {"kind": new.kind, "amount_nanousd": new.amount, "expires_at": new.expires_wall_ns, "note": new.note}
            self._transactions.done(connection, act, Change("give", "credits", credit_id, new.payer, after=told))
            book_within(connection, [entry], {})
            return _credit(connection, credit_id)

    def change(
        self, account_id: str, act: Act, version: int | None, *, is_prepaid: bool | None = None, alert_below: int | None = None
    ) -> CreditAccount:
        """Change how an account is treated; None: leave that. Raises `NotFoundError` and `ChangedMeanwhileError`."""
        told = {"is_prepaid": is_prepaid, "alert_below": alert_below}
        values: dict[str, object] = {name: value for name, value in told.items() if value is not None}
        with self._transactions.writing() as connection:
            before = _account(connection, account_id)
            replace_row(connection, credit_accounts, account_id, version, values)
            old, new = differences(msgspec.structs.asdict(before), values)
            self._transactions.done(connection, act, Change("change", "credits", account_id, before.payer, old, new))
            return _account(connection, account_id)

    # --- what runs out ------------------------------------------------------------------------------------------

    def due(self, wall_ns: int) -> list[Credit]:
        """Credits whose time is over and of which nothing has been said yet, in the order in which they ran out."""
        query = _of_accounts().where(credits_given.c.expires_at <= wall_ns, credits_given.c.expired_at.is_(None))
        with self._transactions.reading() as connection:
            return [_told(row) for row in connection.execute(query.order_by(credits_given.c.expires_at, credits_given.c.id))]

    def given_and_later(self, credit: Credit) -> tuple[int, int]:
        """All that was ever given to a credit's account; and what of that runs out after this credit, or never."""
        with self._transactions.reading() as connection:
            return _given_and_later(connection, credit)

    def expire(self, credit: Credit, amount: int) -> bool:
        """Book that so much of a credit ran out unused, which nobody can spend any more. False: it was done before."""
        with self._transactions.writing() as connection:
            return self._expire(connection, credit, amount)

    def expire_what_is_free(self, credit: Credit) -> bool:
        """The same where hosts share the account: what no host has on lease. False: it was done before."""
        with self._transactions.writing() as connection:
            spent, leased = used_by_all(connection, counter_of(credit.payer))
            given, later = _given_and_later(connection, credit)
            return self._expire(connection, credit, books.left_of_credit(credit.amount, given - spent - leased, later))

    def _expire(self, connection: Connection, credit: Credit, amount: int) -> bool:
        now = self._transactions.clock.wall_ns()
        mine = (credits_given.c.id == credit.id) & credits_given.c.expired_at.is_(None)
        if connection.execute(update(credits_given).where(mine).values(expired_at=now, expired=amount)).rowcount != 1:
            return False
        change = Change("expire", "credits", credit.id, credit.payer, after={"amount_nanousd": amount})
        self._transactions.done(connection, BY_GATEWAY, change)
        if amount:
            book_within(connection, [books.expiry(credit.id, credit.payer, amount, now)], {counter_of(credit.payer): amount})
        return True


def counter_of(payer: str) -> str:
    """The counter of a prepaid customer."""
    return counter_name(Prepaid(payer, 0).as_budget(), payer, 0)


def _opened(connection: Connection, payer: str, now_wall_ns: int) -> str:
    """The id of a customer's account, which is made if it is not there."""
    found = connection.execute(select(credit_accounts.c.id).where(credit_accounts.c.payer == payer)).scalar_one_or_none()
    if found is not None:
        return str(found)
    if connection.execute(select(func.count()).select_from(credit_accounts)).scalar_one() >= MAX_ACCOUNTS:
        raise InUseError(f"there are {MAX_ACCOUNTS} accounts of credits")
    made = new_id("cra")
    row = {"id": made, "created_at": now_wall_ns, "version": 1, "payer": payer, "is_prepaid": True, "alert_below": 0}
    connection.execute(insert(credit_accounts).values(row))
    return made


def _accounts(connection: Connection, account_id: str | None = None) -> list[CreditAccount]:
    lives = credits_given.c.expired_at.is_(None)
    sums = (
        select(
            credits_given.c.account,
            func.sum(credits_given.c.amount).label("given"),
            func.sum(credits_given.c.expired).label("expired"),
            func.min(credits_given.c.expires_at).filter(lives).label("next_expiry"),
        )
        .group_by(credits_given.c.account)
        .subquery()
    )
    query = select(credit_accounts, sums.c.given, sums.c.expired, sums.c.next_expiry)
    query = query.join(sums, sums.c.account == credit_accounts.c.id).order_by(credit_accounts.c.payer)
    if account_id is not None:
        query = query.where(credit_accounts.c.id == account_id)
    return [
        CreditAccount(
            row.id,
            row.payer,
            bool(row.is_prepaid),
            int(row.alert_below),
            int(row.given),
            int(row.expired),
            None if row.next_expiry is None else int(row.next_expiry),
            int(row.created_at),
            int(row.version),
        )
        for row in connection.execute(query)
    ]


def _account(connection: Connection, account_id: str) -> CreditAccount:
    found: Sequence[CreditAccount] = _accounts(connection, account_id)
    if not found:
        raise NotFoundError("account of credits", account_id)
    return found[0]


def _of_accounts() -> Any:
    return select(credits_given, credit_accounts.c.payer).join(credit_accounts, credit_accounts.c.id == credits_given.c.account)


def _credit(connection: Connection, credit_id: str) -> Credit:
    row = connection.execute(_of_accounts().where(credits_given.c.id == credit_id)).one_or_none()
    if row is None:
        raise NotFoundError("credit", credit_id)
    return _told(row)


def _given_and_later(connection: Connection, credit: Credit) -> tuple[int, int]:
    mine = credits_given.c.account == credit.account_id
    given = select(func.coalesce(func.sum(credits_given.c.amount), 0)).where(mine)
    expires = credits_given.c.expires_at
    is_later = (
        expires.is_(None)
        | (expires > credit.expires_wall_ns)
        | ((expires == credit.expires_wall_ns) & (credits_given.c.id > credit.id))
    )
    later = select(func.coalesce(func.sum(credits_given.c.amount), 0)).where(mine, is_later, credits_given.c.expired_at.is_(None))
    return int(connection.execute(given).scalar_one()), int(connection.execute(later).scalar_one())


def _told(row: Row[Any]) -> Credit:
    return Credit(
        row.id,
        row.account,
        row.payer,
        row.kind,
        int(row.amount),
        int(row.created_at),
        None if row.expires_at is None else int(row.expires_at),
        None if row.expired_at is None else int(row.expired_at),
        int(row.expired),
        row.note,
        row.actor,
    )
