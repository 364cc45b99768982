"""What alert rules look at, gathered: blocks on the store, so call it on a thread."""

from __future__ import annotations

from weighbridge.control.admin_services import AdminServices
from weighbridge.control.alert_rules import Sight, needs_budgets
from weighbridge.control.budget_board import BudgetView, budgets_now
from weighbridge.control.credit_board import CreditView, credits_now
from weighbridge.core.alerts import Alerts
from weighbridge.core.allowances import Allowances
from weighbridge.core.clock import NS_PER_S
from weighbridge.routing.health_events import is_of_own_key
from weighbridge.storage.usage_queries import usage


def look_around(services: AdminServices, alerts: Alerts, n_workers: int) -> Sight:
    """The gateway and the ledger at this moment. Raises `StorageError`."""
    ledger = services.store.ledger
    sees_budgets = needs_budgets(alerts.rules)
    return Sight(
        now_s=services.clock.wall_ns() // NS_PER_S,
        status=services.status(),
        n_workers=n_workers,
        # What is held against a customer's own key is for the customer to mend.
        targets=[target for target in services.targets() if not is_of_own_key(target.id)],
        budgets=_budgets(services) if sees_budgets else (),
        credits=credits_of(services) if sees_budgets else (),
        lag_bytes=services.lag_bytes(),
        usage=lambda query: usage(ledger, query).rows,
    )


def credits_of(services: AdminServices) -> list[CreditView]:
    """What every prepaid customer has left. Raises `StorageError`."""
    return credits_now(services.store.credits.accounts(), services.store.ledger.counters(), services.level)


def _budgets(services: AdminServices) -> list[BudgetView]:
    both = Allowances(services.allowances().budgets + services.store.allowances.all().budgets)
    return budgets_now(both, services.store.ledger.counters(), services.level, services.clock.wall_ns())
