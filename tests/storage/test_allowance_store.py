from __future__ import annotations

import msgspec
import pytest

from weighbridge.core.allowances import Allowances, Budget, Measure, Period, RateLimit, Scope, ScopeKind, Shortage, Unit
from weighbridge.storage import allowance_store
from weighbridge.storage.audit_store import AuditQuery
from weighbridge.storage.errors import ChangedMeanwhileError, InUseError, NotFoundError
from weighbridge.storage.transactions import Act

ACT = Act("key:root")
BUDGET = Budget(
    "",
    Scope(ScopeKind.TEAM, "search"),
    5_000_000_000,
    Unit.USD,
    Period.DAY,
    "Europe/Berlin",
    is_hard=False,
    on_shortage=Shortage.REFUSE,
    alert_at_ppm=(500_000,),
)
LIMIT = RateLimit("", Scope(ScopeKind.KEY, "*"), Measure.TOKENS, 1_000, 3_600_000_000_000, 50)


def test_budgets_and_limits_come_back_as_they_were_made(store):
    budget, limit = store.allowances.create(BUDGET, ACT), store.allowances.create(LIMIT, ACT)
    assert budget.allowance.id.startswith("bud_")
    assert limit.allowance.id.startswith("lim_")
    assert msgspec.structs.replace(budget.allowance, id="") == BUDGET
    assert msgspec.structs.replace(limit.allowance, id="") == LIMIT
    assert store.allowances.all() == Allowances((budget.allowance,), (limit.allowance,))


def test_a_change_keeps_the_id_and_whoever_comes_late_is_told(store):
    made = store.allowances.create(BUDGET, ACT)
    revision = store.revision()
    raised = msgspec.structs.replace(made.allowance, amount=9_000_000_000)
    changed = store.allowances.replace(raised, ACT, made.version)
    assert (changed.allowance, changed.version) == (raised, 2)
    assert store.revision() > revision
    with pytest.raises(ChangedMeanwhileError):
        store.allowances.replace(made.allowance, ACT, made.version)
    with pytest.raises(ChangedMeanwhileError):
        store.allowances.delete(made.allowance.id, ACT, made.version)
    store.allowances.delete(made.allowance.id, ACT, 2)
    assert store.allowances.all() == Allowances()
    for gone in (store.allowances.get, lambda each: store.allowances.delete(each, ACT, None)):
        with pytest.raises(NotFoundError, match="no budget"):
            gone(made.allowance.id)


def test_the_audit_log_tells_what_has_changed(store):
    made = store.allowances.create(BUDGET, ACT).allowance
    store.allowances.replace(msgspec.structs.replace(made, amount=1), ACT, None)
    last = store.audit.entries(AuditQuery())[0]
    assert (last.actor, last.action, last.kind, last.subject) == ("key:root", "change", "budget", "team:search")
    assert (last.before, last.after) == ({"amount": 5_000_000_000}, {"amount": 1})


def test_there_is_an_end_to_how_many_there_can_be(store, monkeypatch):
    monkeypatch.setattr(allowance_store, "MAX_ALLOWANCES", 1)
    store.allowances.create(BUDGET, ACT)
    with pytest.raises(InUseError, match="each team"):
        store.allowances.create(BUDGET, ACT)
