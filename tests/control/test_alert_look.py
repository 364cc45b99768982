from __future__ import annotations

from tests.storage.test_ledger_store import attempt, settled

from weighbridge.control.alert_look import look_around
from weighbridge.control.alert_rules import conditions_of
from weighbridge.core.alerts import AlertOn, AlertRule, Alerts
from weighbridge.core.allowances import Allowances, Budget, Scope, ScopeKind
from weighbridge.core.clock import NS_PER_S
from weighbridge.routing.health_events import TargetState, TargetStatus
from weighbridge.storage.transactions import Act


def test_what_rules_look_at_is_what_the_ledger_and_the_gateway_say(services, store, clock, gateway):
    store.ledger.move("j_1", 0, 100, [settled(n, attempt(NS_PER_S), start_wall_ns=clock.wall - 60 * NS_PER_S) for n in range(3)])
    gateway.allowances = Allowances((Budget("written", Scope(ScopeKind.GATEWAY), 5),))
    store.allowances.create(Budget("", Scope(ScopeKind.TEAM, "search"), 5), Act("test"))
    rules = (AlertRule(AlertOn.SPEND, 2 * NS_PER_S), AlertRule(AlertOn.BUDGET))
    sight = look_around(services, Alerts(rules), 1)
    assert len(sight.budgets) == 2
    assert [condition.title for condition in conditions_of(rules[0], sight)] == ["$3.00 was spent in 5 min"]
    assert sight.lag_bytes == 17
    own, ours = (TargetStatus(each, TargetState.RESTING, "", 5, 1.0, 0, 0, 0, 0, 0, 0, 1.0, ()) for each in ("a~team:x/m", "a/m"))
    gateway.targets = [own, ours]
    assert look_around(services, Alerts(rules), 1).targets == [ours]  # the other one is its customer's to mend
    assert look_around(services, Alerts(rules[:1]), 1).budgets == ()  # nobody looks at them
