from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

from playwright.sync_api import expect
from tests.browser.conftest import settled, span_of
from tests.control.dashboard.fake_traffic import HOSTILE_KEY, HOSTILE_MODEL

ROWS = "#requests tbody tr"


def rfc3339(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def test_the_newest_stand_first_with_the_apis_figures(show, api, world):
    span = span_of(world)
    page = show(f"requests?{span}")
    wanted = api.get(f"/requests?{span}&limit=50").json()["data"]
    shown = page.locator(f"{ROWS} th a").evaluate_all("links => links.map((link) => link.getAttribute('href').split('/').pop())")
    assert shown == [each["id"] for each in wanted]
    costs = page.locator(f"{ROWS} [data-nanousd]").evaluate_all("cells => cells.map((cell) => cell.dataset.nanousd)")
    assert costs == [str(each["cost_nanousd"]).replace("None", "null") for each in wanted]


def test_more_are_loaded_without_repeating_any(show, world):
    page = show(f"requests?{span_of(world)}")
    page.click("#load-more")
    expect(page.locator(ROWS)).to_have_count(100)
    links = page.locator(f"{ROWS} th a").evaluate_all("links => links.map((link) => link.href)")
    assert len(set(links)) == 100


def test_new_ones_arrive_by_themselves_while_it_is_live(show, page, world):
    page.clock.install()
    show("requests?live=1&from=-1h")
    world.requests.insert(0, {**world.requests[0], "id": "req_just_now", "at": rfc3339(datetime.now(UTC))})
    page.clock.fast_forward(2_100)
    page.wait_for_selector("a[href$='/req_just_now']")
    assert page.locator(f"{ROWS} th a").first.get_attribute("href") == "/dashboard/requests/req_just_now"


def test_a_live_page_that_loses_the_gateway_says_so_and_goes_on(show, page, world, watch):
    watch.expected.append("ERR_")
    page.clock.install()
    show("requests?live=1&from=-1h")
    page.route("**/admin/v1/requests?*", lambda route: route.abort())
    page.clock.fast_forward(2_100)
    page.wait_for_selector("text=The gateway cannot be reached. Trying again …")
    page.unroute("**/admin/v1/requests?*")
    world.requests.insert(0, {**world.requests[0], "id": "req_later", "at": rfc3339(datetime.now(UTC))})
    page.clock.fast_forward(2_100)
    page.wait_for_selector("a[href$='/req_later']")


def test_a_filter_is_added_by_hand_and_taken_away_again(show, api, world):
    span = span_of(world)
    page = show(f"requests?{span}")
    page.click("#add-filter")
    page.select_option("#add-filter-panel select", "error")
    page.fill("#add-filter-panel input", "rate_limited")
    page.keyboard.press("Enter")
    page.wait_for_url("**error=rate_limited*")
    settled(page)
    n = len(api.get(f"/requests?{span}&error=rate_limited&limit=200").json()["data"])
    assert page.locator(ROWS).count() == min(n, 50)
    page.click("[aria-label='Remove filter Error: rate_limited']")
    page.wait_for_url(lambda url: "error=" not in url)


def test_costs_are_filtered_by_dollars(show, world):
    page = show(f"requests?{span_of(world)}")
    page.click("#add-filter")
    page.select_option("#add-filter-panel select", "min_cost_nanousd")
    page.fill("#add-filter-panel input", "plenty")
    page.keyboard.press("Enter")
    assert page.inner_text("#add-filter-panel .form-error") == "This is no money."
    page.fill("#add-filter-panel input", "$0.05")
    page.keyboard.press("Enter")
    page.wait_for_url("**min_cost_nanousd=50000000*")
    settled(page)
    costs = page.locator(f"{ROWS} [data-nanousd]").evaluate_all("cells => cells.map((cell) => Number(cell.dataset.nanousd))")
    assert costs
    assert min(costs) >= 50_000_000


def test_what_was_seen_is_offered_as_a_value(show, world):
    page = show(f"requests?{span_of(world)}")
    page.click("#add-filter")
    page.select_option("#add-filter-panel select", "team")
    page.wait_for_selector("#add-filter-panel option[value=payments]", state="attached")


def test_a_view_keeps_its_name_over_a_reload(show, page):
    show("requests?from=-7d&team=support")
    page.click("#views")
    page.click("#save-view")
    page.fill("dialog input", "Support's week")
    page.click("dialog .button.primary")
    page.goto("/dashboard/requests")
    settled(page)
    page.click("#views")
    page.get_by_role("link", name="Support's week").click()
    page.wait_for_url("**from=-7d&team=support")
    settled(page)
    page.click("#views")
    page.click('[aria-label="Forget view Support\'s week"]')
    assert page.is_visible("text=Filters and span under a name")


def test_all_of_it_is_exported_with_exact_dollars_and_without_formulas(show, api, world):
    span = span_of(world, 200)
    page = show(f"requests?{span}&key=key_000000000000000000000005")
    with page.expect_download() as download:
        page.click("#export")
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text(encoding="utf-8-sig"))))
    wanted = api.get(f"/requests?{span}&key=key_000000000000000000000005&limit=200").json()["data"]
    assert [row["id"] for row in rows] == [each["id"] for each in wanted]
    assert {row["key_name"] for row in rows} == {HOSTILE_KEY}
    known = [(row["cost_usd"], each["cost_nanousd"]) for row, each in zip(rows, wanted, strict=True)]
    assert all(text == ("" if nano is None else f"{nano // 10**9}.{nano % 10**9:09d}") for text, nano in known)


def test_a_row_opens_its_request(show, world):
    page = show(f"requests?{span_of(world)}")
    page.click(f"{ROWS} >> nth=3 >> td >> nth=4")
    page.wait_for_selector("#attempts")


def test_hostile_names_are_text(show, world):
    page = show(f"requests?{span_of(world, 200)}&key=key_000000000000000000000005")
    assert page.locator(f"{ROWS} td:nth-child(5)").first.inner_text() == HOSTILE_KEY
    page.goto(f"/dashboard/requests?{span_of(world, 200)}&provider=local")
    settled(page)
    assert page.locator(f"{ROWS} td:nth-child(3)").first.inner_text() == f"local/{HOSTILE_MODEL}"


def test_nothing_found_says_what_to_do(show):
    page = show("requests?from=-1h&team=nobody")
    assert page.is_visible("text=No requests in this span")
    assert page.is_visible("text=Take a filter away")
