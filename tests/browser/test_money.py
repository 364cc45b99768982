"""Costs, budgets, limits and the ledger."""

from __future__ import annotations

import csv
import io

from tests.browser.conftest import span_of


def exact(nano: int) -> str:
    return f"${nano // 10**9:,}.{nano % 10**9:09d}"


def test_costs_by_two_dimensions_add_up_to_the_whole(show, api, world):
    span = span_of(world, 100)
    page = show(f"costs?{span}&by=team&and=model")
    rows = api.get(f"/usage?{span}&group_by=team&group_by=model").json()["data"]
    shown = page.locator("#costs tbody tr td:nth-child(3) [data-nanousd]").evaluate_all(
        "cells => cells.map((cell) => Number(cell.dataset.nanousd))"
    )
    assert shown == sorted((row["cost_nanousd"] for row in rows), reverse=True)
    whole = api.get(f"/usage?{span}").json()["data"][0]["cost_nanousd"]
    assert page.get_attribute("#costs-total [data-nanousd]", "title") == exact(whole)
    assert page.get_attribute("#tile-spend", "title") == exact(whole)


def test_dimensions_are_chosen_and_never_the_same_twice(show, world):
    page = show(f"costs?{span_of(world)}")
    page.select_option("#group-by", "key")
    page.wait_for_selector("#costs .sorter:text-is('Key')")
    page.select_option("#group-and", "team")
    page.wait_for_selector("#costs .sorter:text-is('Team')")
    assert page.locator("#group-and option[value=key]").count() == 0
    assert page.locator("#costs thead th").all_inner_texts()[:2] == ["Key", "Team"]


def test_a_group_leads_to_its_requests(show, world):
    page = show(f"costs?{span_of(world)}&by=team&and=provider")
    page.click("#costs tbody tr >> nth=0 >> a")
    page.wait_for_selector("#requests")
    assert "team=" in page.url
    assert "provider=" in page.url


def test_costs_by_a_property_lead_to_the_requests_that_have_it(show, api, world):
    span = span_of(world, 300)
    page = show(f"costs?{span}")
    page.select_option("#group-by", "property.env")
    page.wait_for_selector("#costs .sorter:text-is('env')")
    assert set(page.locator("#costs tbody tr td:first-child, #costs tbody tr th").all_inner_texts()) == {"prod", "test", "(no env)"}
    page.click("#costs tbody a:text-is('prod')")
    page.wait_for_selector("#requests")
    assert "tag=env%3Dprod" in page.url
    assert api.get(f"/usage?{span}&tag=env=prod").json()["data"][0]["requests"] > 0


def test_costs_are_exported_to_the_last_digit(show, api, world):
    span = span_of(world)
    page = show(f"costs?{span}&by=model")
    with page.expect_download() as download:
        page.click("#export")
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text(encoding="utf-8-sig"))))
    wanted = api.get(f"/usage?{span}&group_by=model").json()["data"]
    assert sorted(row["cost_usd"] for row in rows) == sorted(
        f"{each['cost_nanousd'] // 10**9}.{each['cost_nanousd'] % 10**9:09d}" for each in wanted
    )


def test_what_caches_save_adds_up_and_leads_to_its_requests(show, page, api, world):
    span = span_of(world, 100)
    page = show(f"caches?{span}&by=team")
    rows = api.get(f"/usage?{span}&group_by=team").json()["data"]
    shown = page.locator("#caches tbody tr td:nth-child(8) [data-nanousd]").evaluate_all(
        "cells => cells.map((cell) => Number(cell.dataset.nanousd))"
    )
    assert shown == sorted((row["cache_saved_nanousd"] for row in rows), reverse=True)
    assert page.get_attribute("#tile-saved", "title") == exact(sum(shown))
    page.select_option("#group-by", "model")
    page.wait_for_selector("#caches .sorter:text-is('Model')")
    page.click("#caches tbody tr >> nth=0 >> a")
    page.wait_for_selector("#requests")
    assert "model=" in page.url


def test_the_months_end_is_foretold_with_its_bounds(show):
    page = show("costs")
    assert page.inner_text("#tile-forecast .tile-value").startswith("$")
    assert " to " in page.inner_text("#tile-forecast .tile-foot")


def test_sorting_a_column_is_told_and_turned_around(show, world):
    page = show(f"costs?{span_of(world)}&by=model")
    page.click("#costs thead >> text=Requests")
    heading = page.locator("#costs th:has-text('Requests')")
    assert heading.get_attribute("aria-sort") == "descending"
    counts = page.locator("#costs tbody td:nth-child(6) [data-count]").evaluate_all(
        "cells => cells.map((cell) => Number(cell.dataset.count))"
    )
    assert counts == sorted(counts, reverse=True)
    page.click("#costs thead >> text=Requests")
    assert heading.get_attribute("aria-sort") == "ascending"


def test_an_amount_beyond_what_numbers_hold_is_shown_to_the_last_nano_dollar(show):
    page = show("budgets")
    title = page.locator("#budgets tr:has-text('Organisation acme') td span[title]").first.get_attribute("title")
    assert title == "$9,007,199,254.740993001"


def test_a_budget_is_made_with_exactly_the_amount_that_was_typed(show, page, world):
    show("budgets")
    page.click("#new-budget")
    page.get_by_label("For", exact=True).select_option("team")
    page.get_by_label("Which").fill("platform")
    page.get_by_label("Amount").fill("$1,234.000000001")
    page.click("dialog .button.primary")
    page.wait_for_selector("text=The budget holds from now on.")
    made = world.budgets[-1]
    assert (made["scope"], made["amount"], made["period"], made["is_hard"]) == (
        {"kind": "team", "name": "platform"},
        1_234_000_000_001,
        "month",
        True,
    )


def test_what_is_no_amount_is_refused_before_it_is_sent(show, page, world):
    show("budgets")
    page.click("#new-budget")
    page.get_by_label("Amount").fill("a lot")
    page.click("dialog .button.primary")
    page.wait_for_selector("dialog .form-error:not(:empty)")
    assert "no sum in dollars" in page.inner_text("dialog .form-error")
    assert not [path for method, path in world.asked if method == "POST"]


def test_only_what_was_made_here_can_be_changed_here(show, page, world):
    show("budgets")
    assert page.locator("#budgets >> text=Change").count() == 1
    page.get_by_role("button", name="Change the budget of User wei@example.com").click()
    page.get_by_label("Amount").fill("60,000,000")
    page.click("dialog .button.primary")
    page.wait_for_selector("text=The budget holds from now on.")
    assert next(each for each in world.budgets if each["id"] == "bud_tokens")["amount"] == 60_000_000


def test_a_budget_is_deleted_after_a_question(show, page, world):
    show("budgets")
    page.get_by_role("button", name="Delete the budget of User wei@example.com").click()
    page.click("dialog .button.danger")
    page.get_by_role("button", name="Delete the budget of User wei@example.com").wait_for(state="detached")
    assert "bud_tokens" not in [each["id"] for each in world.budgets]


def test_credits_show_what_is_left_to_the_last_nano_dollar_and_who_runs_low(show):
    page = show("budgets")
    assert page.locator("#credits tr:has-text('Organisation acme') td span[title]").first.get_attribute("title") == "$287.568129999"
    assert "low" in page.inner_text("#credits tr:has-text('Team support')")


def test_credits_are_given_once_and_their_history_shown(show, page, world):
    show("budgets")
    page.click("#give-credits")
    page.get_by_label("Which").fill("labs")
    page.get_by_label("Amount").fill("a lot")
    page.click("dialog .button.primary")
    page.wait_for_selector("dialog .form-error:not(:empty)")
    page.get_by_label("Amount").fill("50.25")
    page.get_by_label("Note").fill("INV-7")
    page.click("dialog .button.primary")
    page.wait_for_selector("text=Team labs has $50.25 now.")
    assert (world.credits[-1]["payer"], world.credits[-1]["given_nanousd"]) == ({"kind": "team", "name": "labs"}, 50_250_000_000)
    page.get_by_role("button", name="What was given to Team labs").click()
    page.wait_for_selector("dialog >> text=INV-7")
    page.click("dialog .button.primary")


def test_a_customer_is_let_pay_later(show, page, world):
    show("budgets")
    page.get_by_role("button", name="Change the credits of Team support").click()
    page.get_by_label("Requests must be covered").uncheck()
    page.get_by_label("Tell operators below").fill("3.5")
    page.click("dialog .button.primary")
    page.wait_for_selector("#credits >> text=need not be covered")
    changed = world.credits[-1]
    assert (changed["is_prepaid"], changed["alert_below_nanousd"]) == (False, 3_500_000_000)


def test_a_rate_limit_is_made(show, page, world):
    show("budgets")
    page.click("#new-limit")
    page.get_by_label("For", exact=True).select_option("key")
    page.get_by_label("Which").fill("*")
    page.get_by_label("Counts").select_option("tokens")
    page.get_by_label("At most").fill("90,000")
    page.click("dialog .button.primary")
    page.wait_for_selector("text=The limit holds from now on.")
    assert {name: world.limits[-1][name] for name in ("measure", "amount", "per_ns")} == {
        "measure": "tokens",
        "amount": 90_000,
        "per_ns": 60_000_000_000,
    }


def test_the_ledger_is_shown_searched_and_verified(show, api, page):
    show("ledger")
    accounts = api.get("/ledger/accounts").json()["data"]
    assert page.locator("#accounts tbody th").all_inner_texts() == sorted((each["account"] for each in accounts), key=str.casefold)
    page.fill("#account-prefix", "provider:")
    page.keyboard.press("Enter")
    page.wait_for_url("**prefix=provider*")
    page.locator("#accounts tbody th", has_not_text="provider:").first.wait_for(state="detached")
    assert all(name.startswith("provider:") for name in page.locator("#accounts tbody th").all_inner_texts())
    page.click("#verify")
    page.wait_for_selector("#verdict >> text=all of them add up")


def test_books_that_are_not_sound_are_told_loudly(show, page):
    show("ledger")
    page.route(
        "**/ledger/verify",
        lambda route: route.fulfill(json={"is_sound": False, "problems": ["account key:x is 3 short"], "n_entries": 10}),
    )
    page.click("#verify")
    page.wait_for_selector("#verdict .notice.bad >> text=account key:x is 3 short")


def test_statements_of_the_last_months_are_a_click_away(show, page):
    show("costs?team=payments")
    page.click("#statements")
    links = page.locator("#statements-panel a").evaluate_all("links => links.map((link) => link.getAttribute('href'))")
    assert len(links) == 6
    assert all(link.startswith("/admin/v1/statements/20") and "payer=team&name=payments&format=html" in link for link in links)
