from __future__ import annotations

import msgspec
import pytest
from tests.storage.test_ledger_store import record

from weighbridge.core.allowances import Scope, ScopeKind
from weighbridge.core.rates import Tariff
from weighbridge.ledger.books import NO_TARIFF
from weighbridge.ledger.tariffs import TariffRule, Tariffs

ASKED = msgspec.structs.replace(
    record(), organisation="acme", team="search", user="ann@example.org", key_id="key_1", route="smart", tags=("beta", "prod")
)
TEN = Tariff(markup_ppm=100_000)


@pytest.mark.parametrize(
    "scope",
    [
        Scope(ScopeKind.GATEWAY),
        Scope(ScopeKind.ORGANISATION, "acme"),
        Scope(ScopeKind.TEAM, "search"),
        Scope(ScopeKind.TEAM, "*"),
        Scope(ScopeKind.USER, "ann@example.org"),
        Scope(ScopeKind.KEY, "key_1"),
        Scope(ScopeKind.ROUTE, "smart"),
        Scope(ScopeKind.TAG, "prod"),
    ],
)
def test_a_tariff_is_for_whom_it_names(scope):
    assert Tariffs([TariffRule(scope, TEN)]).of(ASKED) == TEN


@pytest.mark.parametrize("scope", [Scope(ScopeKind.TEAM, "ads"), Scope(ScopeKind.TAG, "other")])
def test_who_is_not_named_pays_the_providers_price(scope):
    assert Tariffs([TariffRule(scope, TEN)]).of(ASKED) == NO_TARIFF
    assert Tariffs().of(ASKED) == NO_TARIFF


def test_each_does_not_count_nobody():
    nobody = msgspec.structs.replace(ASKED, team="", tags=())
    rules = [TariffRule(Scope(ScopeKind.TEAM, "*"), TEN), TariffRule(Scope(ScopeKind.TAG, "*"), TEN)]
    assert Tariffs(rules).of(nobody) == NO_TARIFF


def test_the_first_that_counts_an_exchange_holds():
    special = Tariff(discount_ppm=50_000)
    rules = [TariffRule(Scope(ScopeKind.TEAM, "search"), special), TariffRule(Scope(ScopeKind.GATEWAY), TEN)]
    assert Tariffs(rules).of(ASKED) == special
    assert Tariffs(rules[::-1]).of(ASKED) == TEN
