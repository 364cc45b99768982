from __future__ import annotations

from weighbridge.control.allowance_registry import AllowanceRegistry
from weighbridge.core.allowances import Allowances, Budget, Scope, ScopeKind
from weighbridge.storage.transactions import Act

ACT = Act("test")


async def test_it_tells_only_when_they_are_others(store, make_key):
    registry = AllowanceRegistry(store)
    assert await registry.poll() is False
    made = store.allowances.create(Budget("", Scope(ScopeKind.GATEWAY), 5), ACT)
    assert await registry.poll() is True
    assert registry.allowances == Allowances((made.allowance,))
    make_key("another")  # counts the revision too
    assert await registry.poll() is False
    store.allowances.delete(made.allowance.id, ACT, None)
    assert await registry.poll() is True
    assert not registry.allowances
