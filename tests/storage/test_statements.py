from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tests.storage.test_ledger_store import attempt, settled

from weighbridge.core.allowances import Scope, ScopeKind
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.rates import Tariff
from weighbridge.core.terms import NO_USAGE
from weighbridge.ledger.books import NO_TARIFF
from weighbridge.storage.statements import Month, parse_month, statement

NOVEMBER = Month(2026, 11)
NOW_S = NOVEMBER.end_s + 5


def at(*moment):
    return int(datetime(*moment, tzinfo=UTC).timestamp()) * NS_PER_S


@pytest.fixture
def ledger(store):
    """A month's requests of two teams of `acme`, and of October's and December's edges."""
    store.ledger.tariff_of = lambda record: Tariff(markup_ppm=500_000) if record.team == "search" else NO_TARIFF
    facts = [
        ({"team": "search", "organisation": "acme", "model": "gpt-5"}, attempt(1_000), at(2026, 11, 1)),
        ({"team": "search", "organisation": "acme", "model": "gpt-5"}, attempt(2_000), at(2026, 11, 30, 23, 59, 59)),
        ({"team": "search", "organisation": "acme", "model": "mini"}, attempt(10), at(2026, 11, 15)),
        ({"team": "search", "organisation": "acme", "model": "odd"}, attempt(None, usage=NO_USAGE), at(2026, 11, 15)),
        ({"team": "ads", "organisation": "acme", "model": "gpt-5", "key_id": "key_2"}, attempt(7), at(2026, 11, 2)),
        ({"team": "labs", "organisation": "other", "model": "gpt-5"}, attempt(100_000), at(2026, 11, 2)),
        ({"team": "search", "organisation": "acme"}, attempt(50_000), at(2026, 10, 31, 23, 59, 59)),
        ({"team": "search", "organisation": "acme"}, attempt(60_000), at(2026, 12, 1)),
    ]
    items = [settled(number, one, start_wall_ns=start, **fact) for number, (fact, one, start) in enumerate(facts)]
    store.ledger.move("j_1", 0, 100, items)
    return store.ledger


def test_a_teams_month_is_all_of_it_and_nothing_else(ledger):
    found = statement(ledger, Scope(ScopeKind.TEAM, "search"), NOVEMBER, NOW_S)
    told = [(line.model, line.requests, line.cost, line.charged, line.unknown_costs) for line in found.lines]
    assert told == [("openai/gpt-5", 2, 3_000, 4_500, 0), ("openai/mini", 1, 10, 15, 0), ("openai/odd", 1, 0, 0, 1)]
    assert (found.total.requests, found.total.cost, found.total.charged) == (4, 3_010, 4_515)
    assert found.is_over
    assert (found.divided_by, [(part.model, part.charged) for part in found.parts]) == ("key", [("key_1", 4_515)])


def test_an_organisation_is_divided_by_its_teams_and_everybody_by_organisations(ledger):
    acme = statement(ledger, Scope(ScopeKind.ORGANISATION, "acme"), NOVEMBER, NOW_S)
    assert (acme.divided_by, [(part.model, part.charged) for part in acme.parts]) == ("team", [("search", 4_515), ("ads", 7)])
    everybody = statement(ledger, Scope(ScopeKind.GATEWAY), NOVEMBER, NOW_S)
    assert [(part.model, part.charged) for part in everybody.parts] == [("other", 100_000), ("acme", 4_522)]
    assert everybody.total.charged == 104_522


def test_a_month_that_goes_on_is_preliminary_and_one_without_requests_is_empty(ledger):
    assert not statement(ledger, Scope(ScopeKind.GATEWAY), NOVEMBER, NOVEMBER.end_s - 1).is_over
    empty = statement(ledger, Scope(ScopeKind.TEAM, "nobody"), NOVEMBER, NOW_S)
    assert (empty.lines, empty.total.charged) == ([], 0)


def test_there_is_no_statement_of_a_model(ledger):
    with pytest.raises(ValueError, match="no statement"):
        statement(ledger, Scope(ScopeKind.MODEL, "openai/gpt-5"), NOVEMBER, NOW_S)


@pytest.mark.parametrize("text", ["2026", "2026-13", "2026-1x", "11-2026", "0000-01"])
def test_what_is_no_month_is_told(text):
    with pytest.raises(ValueError, match="no month"):
        parse_month(text)


def test_december_ends_with_the_year():
    assert parse_month("2026-12").end_s == Month(2027, 1).start_s
    assert str(Month(2027, 1)) == "2027-01"
