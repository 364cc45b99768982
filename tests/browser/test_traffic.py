"""Models, routes, sessions and the playground."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from tests.browser.conftest import settled, span_of
from tests.control.dashboard.fake_traffic import HOSTILE_MODEL


def test_models_stand_with_their_state_and_their_figures(show, api, world):
    span = span_of(world)
    page = show(f"models?{span}")
    used = {row["group"]["model"]: row for row in api.get(f"/usage?{span}&group_by=model").json()["data"]}
    row = page.locator("#models tbody tr:has(a:text-is('openai/gpt-5'))")
    assert row.locator("[data-count]").first.get_attribute("data-count") == str(used["openai/gpt-5"]["requests"])
    assert row.locator("[data-nanousd]").get_attribute("data-nanousd") == str(used["openai/gpt-5"]["cost_nanousd"])
    assert "well" in row.inner_text()
    assert page.locator("#ill tbody th").all_inner_texts() == ["gemini/gemini-2.5-flash", "bedrock/anthropic.claude-haiku-4-5-v1:0"]


def test_what_has_no_price_costs_an_unknown_amount_a_thousand_tokens(show, world):
    page = show(f"models?{span_of(world, 200)}")
    row = page.locator("#models tbody tr:has-text('local/')")
    assert HOSTILE_MODEL in row.locator("th").inner_text()
    assert "unknown" in row.inner_text()


def test_a_target_and_a_key_are_said_to_be_well(show, page, world):
    show("models")
    page.get_by_role("button", name="Take bedrock/anthropic.claude-haiku-4-5-v1:0 as well").click()
    page.wait_for_selector("text=is taken as well again.")
    page.get_by_role("button", name="Take openai#2 as well").click()
    page.wait_for_selector("text=openai#2 is taken as well again.")
    assert world.cleared == ["bedrock/anthropic.claude-haiku-4-5-v1:0", "openai#2"]


def test_a_route_shows_the_shares_that_its_targets_have(show, api, world):
    span = span_of(world)
    page = show(f"routes?{span}")
    rows = {row["group"]["model"]: row["requests"] for row in api.get(f"/usage?{span}&route=smart&group_by=model").json()["data"]}
    shown = page.get_by_role("img", name="openai/gpt-5: ").get_attribute("aria-label")
    share = float(shown.removeprefix("openai/gpt-5: ").removesuffix("% of the requests"))
    assert share == pytest.approx(100 * rows["openai/gpt-5"] / sum(rows.values()), abs=0.051)
    assert "75% wanted" in page.inner_text("section[aria-label=smart]")
    assert re.search(r"failed, p95 \d", page.inner_text("section[aria-label=smart]"))


def test_a_request_is_explained_under_a_key_of_an_hour(show, page, world):
    show("routes")
    page.click("#make-key")
    page.click("#explain")
    page.wait_for_selector("#candidates")
    assert page.locator("#candidates tbody th").all_inner_texts() == ["openai/gpt-5", "anthropic/claude-sonnet-4-5"]
    assert "its breaker is open" in page.inner_text("#explained")
    assert world.keys[0]["expires_at"] is not None


def test_a_body_that_is_no_json_is_told(show, page):
    show("routes")
    page.click("#make-key")
    page.get_by_label("Body").fill("{")
    page.click("#explain")
    page.wait_for_selector("text=The body is no JSON")


def test_a_session_is_a_tree_with_its_total(show, api, world):
    span = span_of(world, 300)
    page = show(f"sessions?{span}")
    first = page.locator("#sessions tbody a").first
    name = first.inner_text()
    first.click()
    page.wait_for_selector("#tree")
    found = api.get(f"/requests?{span}&session={name}&limit=200").json()["data"]
    nano = sum(each["cost_nanousd"] or 0 for each in found)
    assert page.get_attribute("#tile-total", "title") == f"${nano // 10**9}.{nano % 10**9:09d}"
    assert page.locator("#tree > li").count() == len(found)
    page.locator("#tree summary").first.press("Enter")
    page.wait_for_selector("#tree .tree-inner .tree-line")
    page.click("text=All about this request")
    page.wait_for_selector("#attempts")


def test_of_many_sessions_those_come_first_that_have_most_of_what_one_asks_for(show, page, api, world):
    """Figures of all others stand below, so that everything together is the span's."""

    def few(route):
        route.continue_(url=route.request.url.replace("top=200", "top=4"))

    page.route("**/usage?*group_by=session*", few)
    span = span_of(world, 300)
    show(f"sessions?{span}")
    page.select_option("#order", "requests")
    page.wait_for_url("**order=requests**")
    settled(page)
    every = api.get(f"/usage?{span}&group_by=session").json()["data"]
    most = sorted((row for row in every if row["group"]["session"]), key=lambda row: -row["requests"])
    told = [int(text) for text in page.locator("#sessions tbody td:nth-child(2)").all_inner_texts()]
    assert told == [row["requests"] for row in most[: len(told)]]
    nameless = [row["requests"] for row in every if not row["group"]["session"]]
    rest = int(page.locator("#others td").first.inner_text())
    assert sum(told) + rest + (sum(nameless) if len(told) == 3 else 0) == sum(row["requests"] for row in every)
    assert page.get_by_text(f"of {len(most)} sessions").is_visible()


def test_a_span_of_ones_own_reads_as_one_in_a_sentence(show, world):
    assert show("sessions").locator("main").get_by_text("sessions of the last 24 hours").is_visible()
    start = (world.now - timedelta(hours=30)).strftime("%Y-%m-%dT%H:%M:00Z")
    shown = (
        show(f"sessions?from={start}").locator("main").get_by_text(re.compile("sessions of [0-9]+ [A-Z][a-z]+,? [0-9:]+ to now"))
    )
    assert shown.is_visible()


def test_a_long_table_grows_as_it_is_wanted_and_is_sorted_as_a_whole(show, page):
    def many(route):
        answer = route.fetch().json()
        row = answer["data"][0]
        answer["data"] = [row | {"group": {"session": f"run-{n:03}"}, "cost_nanousd": n + 1} for n in range(450)]
        route.fulfill(json=answer)

    page.route("**/usage?*group_by=session*", many)
    show("sessions")
    rows = page.locator("#sessions tbody tr")
    assert (rows.count(), rows.first.locator("th").inner_text()) == (200, "run-449")
    assert page.get_by_text("200 of 450 shown").is_visible()
    more = page.get_by_role("button", name="Show 200 more")
    more.click()
    more.press("Enter")
    assert (rows.count(), more.is_visible(), page.locator("section .card-note").inner_text()) == (
        450,
        False,
        "450 of 450 shown",
    )
    assert rows.last.locator("th").inner_text() == "run-000"
    page.get_by_role("button", name="Session", exact=True).click()
    assert rows.first.locator("th").inner_text() == "run-000"


def playground(page) -> None:
    page.click("#make-key")
    page.wait_for_selector(".pane")


def test_answers_stream_side_by_side_with_their_cost_and_what_they_contain_is_text(show, page):
    show("playground")
    playground(page)
    page.get_by_label("Model 1", exact=True).last.fill("smart")
    page.click("#add-pane")
    page.get_by_label("Message", exact=True).fill("Weigh this")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".pane >> nth=1 >> text=$0.00123")
    assert page.locator(".turn.assistant").all_inner_texts() == ["Weighed **and** <b>found</b> not wanting."] * 2
    assert page.locator(".turn b").count() == 0
    assert "12 in, 5 out" in page.locator(".pane-foot").first.inner_text()


def test_a_talk_goes_on(show, page, world):
    show("playground")
    playground(page)
    for words in ("one", "two"):
        page.get_by_label("Message", exact=True).fill(words)
        with page.expect_request("**/v1/chat/completions") as asked:
            page.click("#run")
        page.wait_for_selector(f".turn.user:text-is('{words}') + .turn.assistant:has-text('wanting')")
        page.wait_for_selector("#run:not([disabled])")
    roles = [message["role"] for message in asked.value.post_data_json["messages"]]
    assert roles == ["user", "assistant", "user"]


def test_a_refusal_is_shown_in_its_pane_and_the_key_never_leaves_memory(show, page, watch):
    watch.expected.append("429")
    show("playground")
    playground(page)
    page.route(
        "**/v1/chat/completions", lambda route: route.fulfill(status=429, json={"error": {"message": "the budget is used up"}})
    )
    page.get_by_label("Message", exact=True).fill("x")
    page.click("#run")
    page.wait_for_selector(".pane >> text=the budget is used up")
    kept = page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie, location.href])")
    assert "wb-secret" not in kept


def test_settings_tell_how_the_gateway_does_and_what_is_loaded(show, page, world):
    show("settings")
    assert page.locator("#workers tbody th").all_inner_texts() == ["process 4101", "process 4102"]
    assert '"[secret]"' in page.inner_text("#config")
    page.select_option("#config-section", "routes")
    assert '"smart"' in page.inner_text("#config")
    assert page.locator("#audit tbody tr").count() == 12


def test_a_configuration_that_is_refused_is_told_with_every_problem(show, page, watch):
    watch.expected.append("400")
    show("settings")
    problems = [{"path": "routes.smart", "message": "unknown strategy", "line": 7, "suggestion": "weighted"}]
    page.route(
        "**/config/reload",
        lambda route: route.fulfill(
            status=400, json={"error": {"message": "the configuration has errors", "code": "config_invalid", "problems": problems}}
        ),
    )
    page.click("#reload")
    page.wait_for_selector("#reload-outcome >> text=routes.smart unknown strategy (line 7): weighted")
