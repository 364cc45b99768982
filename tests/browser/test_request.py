from __future__ import annotations

from decimal import Decimal

import pytest
from tests.control.dashboard.fake_gateway import SAID


@pytest.fixture
def retried(world) -> dict:
    """A request that a second target answered."""
    return next(each for each in world.requests if each["attempts"] > 1 and each["cost_nanousd"] and each["session"])


def test_each_attempt_stands_with_what_became_of_it(show, retried):
    page = show(f"requests/{retried['id']}")
    rows = page.locator("#attempts tbody tr").all()
    assert [row.locator("th").inner_text() for row in rows] == ["openai/gpt-5", f"{retried['provider']}/{retried['model']}"]
    assert rows[0].locator("td").nth(1).inner_text() == "429"
    assert rows[0].locator("td").nth(2).inner_text() == "rate_limited"
    assert page.locator(".waterfall rect").count() >= 5


def test_the_price_is_exact_and_adds_up(show, retried):
    page = show(f"requests/{retried['id']}")
    nano = retried["cost_nanousd"]
    exact = f"${nano // 10**9}.{nano % 10**9:09d}"
    assert page.get_attribute("#tile-cost", "title") == exact
    assert page.inner_text("#price tfoot td") == exact
    assert page.locator("#price tbody td:last-child").all_inner_texts() == ["$0.000000000", exact]


def test_the_bill_names_each_line_its_price_and_the_list_that_it_is_from(show, retried):
    page = show(f"requests/{retried['id']}")
    rows = page.locator("#bill tbody tr").all()
    assert [row.locator("th").inner_text() for row in rows] == ["Input", "Output"]
    amounts = [Decimal(row.locator("td").last.inner_text().removeprefix("$")) for row in rows]
    assert sum(amounts) == Decimal(retried["cost_nanousd"]) / 10**9
    assert rows[1].locator("td").nth(2).inner_text() == "$2 / M"
    assert page.inner_text("#bill-source") == "Prices from a list, https://prices.example."


def test_audio_is_told_by_its_time_and_at_so_much_an_hour(show, retried):
    last = retried["_attempts"][-1]
    last["usage"]["audio_ms"] = 81_000
    line = {"model": last["model"], "what": "audio_hour", "count": 81_000, "rate_usd": "0.36", "amount_usd": "0.0081"}
    last["bill"]["lines"].append(line)
    page = show(f"requests/{retried['id']}")
    assert page.locator("#usage tbody tr").last.inner_text().split("\t") == ["Audio by time", "0 ms", "81 s"]
    assert page.locator("#bill tbody tr").last.inner_text().split("\t")[-4:] == ["Audio by time", "81 s", "$0.36 / h", "$0.0081"]


def test_what_was_charged_for_something_that_went_on_in_the_background_leads_to_it(show, world, retried):
    other = world.requests[0]["id"]
    retried["resolves"] = other
    page = show(f"requests/{retried['id']}")
    assert page.get_attribute("text=went on in the background", "href") == f"/dashboard/requests/{other}"


def test_a_bill_that_is_not_what_was_booked_says_so(show, retried):
    retried["_attempts"][-1]["bill"]["amount_nanousd"] += 1
    assert "it was booked at others" in show(f"requests/{retried['id']}").inner_text("#bill-source")


def test_usage_says_where_each_count_is_from(show, retried):
    page = show(f"requests/{retried['id']}")
    assert page.locator("#usage tfoot td").all_inner_texts() == ["derived", "reported"]
    shown = page.locator("#usage tbody tr:has-text('Output') [data-count]").last.get_attribute("data-count")
    assert int(shown) == retried["output_tokens"]


def test_what_nobody_knows_is_unknown_and_not_nothing(show, world):
    lost = next(each for each in world.requests if each["usage_provenance"] == "unknown")
    page = show(f"requests/{lost['id']}")
    assert page.inner_text("#tile-cost .tile-value") == "unknown"
    assert set(page.locator("#usage tbody td").all_inner_texts()) == {"unknown"}
    assert page.is_visible("text=Nothing was booked")


def test_its_entries_edits_and_bytes_are_shown(show, world):
    each = next(each for each in world.requests if each["route"] == "smart" and each["cost_nanousd"])
    page = show(f"requests/{each['id']}")
    assert page.locator("#entries tbody tr").count() == 2
    assert page.inner_text("#edits") == "model"
    plain = next(each for each in world.requests if each["route"] != "smart")
    page.goto(f"/dashboard/requests/{plain['id']}")
    page.wait_for_selector("text=none: the bytes went through untouched")


def test_its_session_is_a_link(show, retried):
    page = show(f"requests/{retried['id']}")
    page.click(f"main >> a:text-is('{retried['session']}')")
    page.wait_for_selector("#tree")


def test_one_that_is_not_there_is_told(show, watch):
    watch.expected.append("404")
    page = show("requests/req_nothing")
    assert "there is no such request" in page.inner_text("main [role=alert]")


def test_corrections_of_its_price_and_what_users_think_are_shown_as_they_are(show, retried):
    page = show(f"requests/{retried['id']}")
    assert "the list came late" in page.inner_text("#corrections")
    assert page.locator("#corrections [data-nanousd]").get_attribute("data-nanousd") == "1250000"
    feedback = page.inner_text("#feedback")
    assert "75%" in feedback
    assert "<img src=x" in feedback  # text, and nothing that runs
    assert page.title() != "taken over"


def test_what_was_asked_and_answered_is_shown_when_it_is_asked_for_and_is_inert(show, retried):
    page = show(f"requests/{retried['id']}")
    assert page.locator("#payload pre").count() == 0
    page.click("#show-payload")
    page.wait_for_selector("#payload pre")
    asked, answered = page.locator("#payload pre").all()
    assert SAID.replace('"', '\\"') in asked.inner_text()
    assert '"role": "user"' in asked.inner_text()
    assert answered.inner_text() == "Once upon a time"
    assert "the beginning of" in page.inner_text("#payload")
    assert page.locator("#payload pre *").count() == 0
    assert page.locator("#show-payload").count() == 0
