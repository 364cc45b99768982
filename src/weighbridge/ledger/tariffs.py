"""Which customer pays what on top of the provider's price: the first rule that counts an exchange."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from weighbridge.core.allowances import EACH, Scope, ScopeKind
from weighbridge.core.terms import Record
from weighbridge.ledger.books import NO_TARIFF
from weighbridge.ledger.terms import Tariff


class TariffRule(NamedTuple):
    """A tariff, and for whom it is: a kind of `KINDS` and a name, or `*` for each that has one."""

    scope: Scope
    tariff: Tariff


_NAMES: Final[Mapping[ScopeKind, Callable[[Record], tuple[str, ...]]]] = {
    ScopeKind.GATEWAY: lambda _record: ("",),
    ScopeKind.ORGANISATION: lambda record: (record.organisation,),
    ScopeKind.TEAM: lambda record: (record.team,),
    ScopeKind.USER: lambda record: (record.user,),
    ScopeKind.KEY: lambda record: (record.key_id,),
    ScopeKind.ROUTE: lambda record: (record.route,),
    ScopeKind.TAG: lambda record: record.tags,
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
        for scope, tariff in self._rules:
            names = _NAMES[scope.kind](record)
            if scope.name in names or (scope.name == EACH and any(names)):
                return tariff
        return NO_TARIFF
