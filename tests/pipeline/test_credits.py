"""Prepaid credits as a caller sees them: what was paid in advance covers what is charged, and not a nano-dollar more."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.pipeline.test_bookkeeper import ANTHROPIC, COST, PRICES, USD, will_answer

from weighbridge.core.allowances import Allowances, Budget, Prepaid, Scope, ScopeKind
from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.own_keys import Owner, OwnerKind, OwnKey
from weighbridge.core.rates import NO_TARIFF, Tariff, charged, cost_within, most_charged
from weighbridge.core.routes import RetryPolicy, plain_route
from weighbridge.core.secret import Secret
from weighbridge.core.terms import NO_USAGE, Attempt, Deployment, Provenance
from weighbridge.ledger.books import charge_of, charged_by, entries_of
from weighbridge.ledger.tariffs import TariffRule
from weighbridge.ledger.terms import EntryKind, Settled, Started
from weighbridge.pipeline.account import Account
from weighbridge.storage.credit_store import counter_of

TEAM = "team:search"


def of(credits_, *tariffs, budgets=(), payer=TEAM, **facts):
    rules = tuple(TariffRule(Scope(ScopeKind.GATEWAY), tariff) for tariff in tariffs)
    return {
        "prices": PRICES,
        "allowances": Allowances(tuple(budgets), (), (Prepaid(payer, credits_),)),
        "tariffs": rules,
        **facts,
    }


def searching(build, **facts):
    return build(**facts, keys=(build.virtual_key(team="search"),))


def level(world, payer=TEAM):
    return world.table.level(counter_of(payer))


async def test_what_the_customer_is_charged_leaves_the_credits_and_not_what_it_cost(build):
    world = searching(build, **of(USD, Tariff(markup_ppm=500_000)))
    will_answer(world)
    assert (await world.chat(max_tokens=200)).status == 200
    assert level(world) == (COST * 3 // 2, 0)


async def test_what_was_taken_is_what_the_ledger_charges_whatever_the_tariff_is_by_then(build):
    world = searching(build, **of(USD, Tariff(markup_ppm=500_000)))
    will_answer(world)
    await world.chat(max_tokens=200)
    (settled,) = (item for item in world.journal.items if isinstance(item, Settled))
    (taken,) = settled.charges
    booked = entries_of(settled.record, NO_TARIFF, charged=taken.amount)
    assert [entry.amount_nanousd for entry in booked if entry.kind is EntryKind.CHARGE] == [COST * 3 // 2]


@pytest.mark.parametrize(
    ("path", "body", "status", "word"),
    [
        ("/v1/chat/completions", {"model": "gpt-4o", "messages": [], "max_tokens": 300}, 429, "insufficient_credits"),
        ("/v1/messages", ANTHROPIC, 402, "billing_error"),
    ],
)
async def test_a_request_that_the_credits_do_not_cover_is_refused_and_told_what_is_left(build, path, body, status, word):
    world = searching(build, **of(2_000_000))
    client = await world.ask("POST", path, body)
    assert (client.status, client.fields["x-should-retry"]) == (status, "false")
    error = client.json["error"]
    assert word in (error.get("code"), error.get("type"))
    assert "credits of the team 'search'" in error["message"]
    assert "$0.002000 of $0.002000 are left" in error["message"]
    assert not world.upstream.requests
    assert level(world) == (0, 0)


async def test_an_answer_is_capped_at_what_the_credits_cover(build):
    world = searching(build, **of(12_000_000, Tariff(markup_ppm=500_000)))
    will_answer(world)
    client = await world.chat(max_tokens=4_000)
    cap = decode_json(world.sent_body)["max_tokens"]
    assert 256 <= cap < 800  # at $15 a million it would be more
    assert client.fields["x-weighbridge-edits"] == f"capped:max_tokens={cap}"


async def test_a_tariff_of_nothing_needs_no_credits(build):
    world = searching(build, **of(1, Tariff(discount_ppm=1_000_000)))
    will_answer(world)
    assert (await world.chat(max_tokens=200)).status == 200
    assert level(world) == (0, 0)


async def test_who_has_paid_nothing_in_advance_is_asked_for_nothing(build):
    world = build(**of(0))
    will_answer(world)
    assert (await world.chat(max_tokens=200)).status == 200


async def test_the_widest_owner_pays(build):
    world = build(**of(USD, payer="organisation:acme"), keys=(build.virtual_key(team="search", organisation="acme"),))
    will_answer(world)
    await world.chat(max_tokens=200)
    assert level(world, "organisation:acme") == (COST, 0)


async def test_credits_and_a_budget_both_have_to_cover_a_request(build):
    budget = Budget("team", Scope(ScopeKind.TEAM, "search"), 1_000)
    world = searching(build, **of(USD, budgets=(budget,)))
    refused = await world.chat(max_tokens=200)
    assert refused.json["error"]["code"] == "budget_exceeded"
    assert level(world) == (0, 0)


@pytest.mark.parametrize("charges_estimates", [False, True])
async def test_a_caller_who_leaves_pays_the_estimate_where_the_tariff_says_so(build, charges_estimates):
    world = searching(build, **of(USD, Tariff(charges_estimates=charges_estimates)))
    reply = world.will_stream(b'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n', is_open=True)
    task = asyncio.ensure_future(world.chat(stream=True, max_tokens=4_000))
    await reply.attached.wait()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (attempt,) = world.record.attempts
    assert attempt.usage.provenance is Provenance.ESTIMATED
    assert level(world) == (attempt.cost_nanousd if charges_estimates else 0, 0)


async def test_an_attempt_of_unknown_outcome_is_not_charged(build):
    route = plain_route("two", Deployment("openai", "gpt-4o"), Deployment("groq", "llama-3"))
    world = searching(build, **of(USD), routes=(route,), retry=RetryPolicy(max_attempts=2))
    world.upstream.script.append(GatewayError(ErrorKind.PROVIDER_TIMEOUT, "Too slow."))
    will_answer(world)
    assert (await world.chat(model="two", max_tokens=100)).status == 200
    assert len(world.record.attempts) == 2
    assert level(world) == (COST, 0)


TARIFFS = st.builds(
    Tariff,
    markup_ppm=st.integers(-1_000_000, 3_000_000),
    discount_ppm=st.integers(0, 1_000_000),
    charges_estimates=st.booleans(),
    own_key_ppm=st.integers(0, 2_000_000),
)


@given(st.lists(st.tuples(st.none() | st.integers(0, 10**12), st.booleans()), max_size=6), TARIFFS)
def test_the_parts_of_attempts_are_the_charge_of_all_and_each_fits_what_was_held(made, tariff):
    account = Account("", "", (), "")
    parts = [account.charge(cost, NO_USAGE, tariff, is_own=is_own) for cost, is_own in made]
    held = [most_charged(cost or 0, tariff, is_own=is_own) for cost, is_own in made]
    assert all(0 <= part <= most for part, most in zip(parts, held, strict=True))
    names = {False: "openai#1", True: "own:pkey_1"}
    assert sum(parts) == charge_of(
        [Attempt("p", "m", names[is_own], 200, None, NO_USAGE, 0, 0, 0, c) for c, is_own in made], tariff
    )


@given(st.integers(0, 10**15), TARIFFS, st.booleans())
def test_a_cost_within_an_amount_is_charged_no_more(amount, tariff, is_own):
    cost = cost_within(amount, tariff, is_own=is_own)

    def charge(cost):
        return charged(0, tariff, cost) if is_own else charged(cost, tariff)

    if cost > 0:
        assert most_charged(cost, tariff, is_own=is_own) <= amount or not charge(cost)
    assert charge(max(0, cost)) <= max(0, amount)


# --- own keys -----------------------------------------------------------------------------------------------------------

OWN = OwnKey("pkey_1", Owner(OwnerKind.TEAM, "search"), "openai", Secret("sk-brought-0123"))


@pytest.mark.parametrize(("fee_ppm", "charge"), [(0, 0), (50_000, COST // 20)])
async def test_an_own_key_takes_a_fee_from_the_credits_and_never_what_its_provider_bills(build, fee_ppm, charge):
    world = searching(build, **of(charge + USD, Tariff(markup_ppm=500_000, own_key_ppm=fee_ppm)), own_keys=(OWN,))
    will_answer(world)
    assert (await world.chat(max_tokens=200)).status == 200
    assert level(world) == (charge, 0)
    (settled,) = (item for item in world.journal.items if isinstance(item, Settled))
    booked = {entry.kind: entry.amount_nanousd for entry in entries_of(settled.record, charged=charge)}
    assert booked == {EntryKind.OWN_KEY_COST: COST} | ({EntryKind.CHARGE: charge} if charge else {})


async def test_who_has_no_credits_may_use_a_key_of_his_own_where_that_is_free(build):
    world = searching(build, **of(0, Tariff(markup_ppm=500_000)), own_keys=(OWN,))
    will_answer(world)
    assert (await world.chat(max_tokens=200)).status == 200


async def test_the_journal_says_of_an_attempt_whose_key_it_is_before_it_is_sent(build):
    world = searching(build, **of(USD), own_keys=(OWN,))
    will_answer(world)
    await world.chat(max_tokens=200)
    assert [item.own_key for item in world.journal.items if isinstance(item, Started)] == ["own:pkey_1"]


async def test_a_response_in_the_background_takes_its_bound_until_somebody_is_told_what_it_took(build):
    """So that no number of them overdraws the credits; whoever fetches it, who asked for it pays."""
    other = "wb-" + "o" * 43
    keys = (build.virtual_key(team="search"), build.virtual_key(other, id="key_2", team="others"))
    world = build(**of(USD, Tariff(markup_ppm=500_000)), keys=keys)
    told = {"id": "resp_1", "model": "gpt-4o", "background": True}
    queued = encode_json(told | {"status": "queued"})
    done = encode_json(told | {"status": "completed", "usage": {"input_tokens": 100, "output_tokens": 50}})
    world.will_reply(queued, length=len(queued))
    await world.ask("POST", "/v1/responses", {"model": "gpt-4o", "input": "Hi", "background": True, "max_output_tokens": 500})
    (attempt,) = world.record.attempts
    taken, held = level(world)
    assert (held, taken) == (0, pytest.approx(attempt.reserved_nanousd * 3 / 2, abs=1))
    world.will_reply(done, length=len(done))
    await world.ask("GET", "/v1/responses/resp_1", headers=[("authorization", f"Bearer {other}")], auth=False)
    assert level(world) == (COST * 3 // 2, 0)
    settled = [item for item in world.journal.items if isinstance(item, Settled)]
    charges = [sum(charge.amount for charge in item.charges) for item in settled]
    booked = [entries_of(item.record, NO_TARIFF, charged=amount) for item, amount in zip(settled, charges, strict=True)]
    assert [sum(map(charged_by, each)) for each in booked] == charges == [taken, COST * 3 // 2 - taken]
