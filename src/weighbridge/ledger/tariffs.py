"""Which customer pays what on top of the provider's price: the first rule that counts an exchange."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from weighbridge.core.allowances import EACH, Scope, ScopeKind
from weighbridge.core.rates import NO_TARIFF, Tariff
from weighbridge.core.terms import Record


class Customer(NamedTuple):
    """What of an exchange tariffs go by."""

    key_id: str
    team: str
    user: str
    organisation: str
    route: str
    tags: tuple[str, ...]

    @classmethod
    def of(cls, record: Record) -> Customer:
        """Whom a Record is charged to."""
        return cls(record.key_id, record.team, record.user, record.organisation, record.route, record.tags)


class TariffRule(NamedTuple):
    """A tariff, and for whom it is: a kind of `KINDS` and a name, or `*` for each that has one."""

    scope: Scope
    tariff: Tariff


_NAMES: Final[Mapping[ScopeKind, Callable[[Customer], tuple[str, ...]]]] = {
    ScopeKind.GATEWAY: lambda _customer: ("",),
    ScopeKind.ORGANISATION: lambda customer: (customer.organisation,),
    ScopeKind.TEAM: lambda customer: (customer.team,),
    ScopeKind.USER: lambda customer: (customer.user,),
    ScopeKind.KEY: lambda customer: (customer.key_id,),
    ScopeKind.ROUTE: lambda customer: (customer.route,),
    ScopeKind.TAG: lambda customer: customer.tags,
}
KINDS: Final = frozenset(_NAMES)
"""By what of an exchange a tariff may go."""


class Tariffs:
    """The rules of a configuration, in their order."""

    __slots__ = ("_rules",)

    def __init__(self, rules: Sequence[TariffRule] = ()) -> None:
        self._rules = tuple(rules)

    def of(self, record: Record) -> Tariff:
        """The tariff of an exchange; without a rule for it, the provider's price."""
        return self.of_customer(Customer.of(record))

    def of_customer(self, customer: Customer) -> Tariff:
        """The same before there is a Record."""
        for scope, tariff in self._rules:
            names = _NAMES[scope.kind](customer)
            if scope.name in names or (scope.name == EACH and any(names)):
                return tariff
        return NO_TARIFF
