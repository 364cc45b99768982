"""Credits on every database: given once, booked, and run out in their order."""

from __future__ import annotations

import pytest
from tests.storage.test_ledger_store import attempt, settled

from weighbridge.core.allowances import Prepaid
from weighbridge.ledger.terms import Charge, Started
from weighbridge.storage import credit_store
from weighbridge.storage.audit_store import AuditQuery
from weighbridge.storage.credit_store import NewCredit, counter_of
from weighbridge.storage.errors import ChangedMeanwhileError, CreatedBeforeError, InUseError, NotFoundError
from weighbridge.storage.ledger_checks import verify
from weighbridge.storage.transactions import Act, once_of

ACT = Act("key:root")
TEAM = "team:search"
DAY = 86_400_000_000_000


def give(store, amount, *, payer=TEAM, days=None, act=ACT, **facts):
    expires = None if days is None else store.transactions.clock.wall_ns() + days * DAY
    return store.credits.give(NewCredit(payer, amount, expires_wall_ns=expires, **facts), act)


def only(store):
    (account,) = store.credits.accounts()
    return account


def balance(store, payer=TEAM):
    """By the books: what the customer has left."""
    (found,) = store.ledger.balances(f"customer:{payer}")
    return found.credits - found.debits


def charge(store, number, amount):
    """A request of the team's that is charged so much, taken from its credits."""
    store.ledger.move("j_1", 0, number, [settled(number, attempt(amount), charges={counter_of(TEAM): amount})])


def test_the_first_credit_makes_a_prepaid_customer_and_others_add_to_it(store):
    first, second = give(store, 500, note="INV-7"), give(store, 300, kind="grant", days=30)
    account = only(store)
    assert (account.payer, account.given, account.is_prepaid, account.next_expiry_wall_ns) == (
        TEAM,
        800,
        True,
        second.expires_wall_ns,
    )
    assert store.credits.prepaid() == (Prepaid(TEAM, 800),)
    assert {first.account_id, second.account_id} == {account.id}
    assert balance(store) == 800
    assert verify(store.ledger).is_sound
    last = store.audit.entries(AuditQuery(kind="credits"))[-1]
    assert (last.actor, last.action, last.subject, last.after["amount_nanousd"]) == ("key:root", "give", TEAM, 500)


def test_a_payment_that_comes_twice_is_booked_once(store):
    act = Act("key:root", once=once_of("key:root", "invoice-7-paid-once", b"500"))
    made = give(store, 500, act=act)
    with pytest.raises(CreatedBeforeError) as before:
        give(store, 500, act=act)
    assert before.value.subject_id == made.id
    assert (only(store).given, balance(store)) == (500, 500)


def test_nothing_is_no_credit(store):
    for amount in (0, -5):
        with pytest.raises(ValueError, match="more than nothing"):
            give(store, amount)
    assert store.credits.accounts() == []


def test_the_history_comes_in_pages_newest_first(store, clock):
    made = []
    for number in range(5):
        clock.wall += 1
        made.append(give(store, number + 1))
    account = only(store)
    first = store.credits.credits(account.id, limit=2)
    rest = store.credits.credits(account.id, limit=9, cursor=first[-1].id)
    assert [*first, *rest] == made[::-1]
    for missing in (store.credits.account, store.credits.credit, store.credits.credits):
        with pytest.raises(NotFoundError):
            missing("cra_x")


def test_a_customer_may_be_left_to_pay_later_and_whoever_comes_late_is_told(store):
    give(store, 500)
    account, revision = only(store), store.revision()
    changed = store.credits.change(account.id, ACT, account.version, is_prepaid=False, alert_below=100)
    assert (changed.is_prepaid, changed.alert_below, changed.version) == (False, 100, 2)
    assert store.credits.prepaid() == ()
    assert store.revision() > revision
    with pytest.raises(ChangedMeanwhileError):
        store.credits.change(account.id, ACT, account.version, is_prepaid=True)


def test_what_expires_first_is_used_first(store, clock):
    soon, later = give(store, 500, days=1), give(store, 300, days=2)
    give(store, 200)
    charge(store, 1, 400)
    clock.wall += DAY
    assert store.credits.due(clock.wall) == [soon]
    assert store.credits.expire_what_is_free(soon)
    assert not store.credits.expire_what_is_free(soon)  # once
    assert (balance(store), store.credits.credit(soon.id).expired) == (500, 100)
    clock.wall += DAY
    assert store.credits.due(clock.wall) == [later]
    store.credits.expire_what_is_free(later)
    assert balance(store) == 200
    assert store.ledger.counters()[counter_of(TEAM)] == 400 + 100 + 300
    assert (only(store).given, only(store).expired, only(store).next_expiry_wall_ns) == (1_000, 400, None)
    assert verify(store.ledger).is_sound


def test_a_credit_that_was_used_up_runs_out_at_nothing(store, clock):
    soon = give(store, 500, days=1)
    charge(store, 1, 500)
    clock.wall += DAY
    store.credits.expire_what_is_free(soon)
    assert store.credits.credit(soon.id).expired == 0
    assert balance(store) == 0
    assert store.credits.due(clock.wall) == []


def test_what_a_worker_took_with_it_is_not_charged_to_credits(store):
    """Budgets count it at its bound; of credits, nobody can show that the customer received anything."""
    give(store, 500)
    holds = (Charge(counter_of(TEAM), 90), Charge("b", 90))
    store.ledger.move("j_1", 0, 9, [Started("req_1", 0, 5, "key_1", "openai", "gpt-5", 90, holds, team="search")])
    assert store.ledger.close("j_1") == {"b": 90}
    assert balance(store) == 500
    assert verify(store.ledger).is_sound


def test_a_difference_between_credits_and_books_is_found(store):
    give(store, 500)
    charge(store, 1, 40)
    with store.transactions.writing() as connection:
        connection.exec_driver_sql("UPDATE credits SET amount = 501")
        connection.exec_driver_sql("UPDATE requests SET charged = 41")
    problems = " ".join(verify(store.ledger).problems)
    assert "credits of team:search: its account says 501" in problems
    assert "request req_1: 40 nano-dollars were taken from credits, its customer was charged 41" in problems


def test_there_is_a_bound_on_accounts(store, monkeypatch):
    monkeypatch.setattr(credit_store, "MAX_ACCOUNTS", 1)
    give(store, 5)
    give(store, 5)
    with pytest.raises(InUseError):
        give(store, 5, payer="team:ads")
