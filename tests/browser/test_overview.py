from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from tests.browser.conftest import span_of


def total(api, span: str, **more) -> dict:
    return api.get(f"/usage?{span}", params=None if not more else httpx_params(span, more)).json()["data"][0]


def httpx_params(span: str, more: dict) -> dict:
    return {**{name: values[0] for name, values in parse_qs(span).items()}, **more}


def dollars(nano: int) -> str:
    return f"${nano // 10**9:,}.{nano % 10**9:09d}"


def test_every_figure_is_the_apis_to_the_last_digit(show, api, world):
    span = span_of(world)
    page, row = show(f"overview?{span}"), total(api, span)
    titles = {name: page.get_attribute(f"#tile-{name}", "title") for name in ("spend", "requests", "tokens", "errors", "saved")}
    assert titles == {
        "spend": dollars(row["cost_nanousd"]),
        "requests": f"{row['requests']:,}",
        "tokens": f"{row['input_tokens'] + row['output_tokens']:,}",
        "errors": f"{row['errors']:,} of {row['requests']:,}",
        "saved": dollars(row["cache_saved_nanousd"]),
    }


def test_a_filter_holds_for_every_figure(show, api, world):
    span = span_of(world)
    page = show(f"overview?{span}&team=support&model=openai%2Fgpt-5")
    row = total(api, span, team="support", model="openai/gpt-5")
    assert 0 < row["requests"] < 400
    assert page.get_attribute("#tile-spend", "title") == dollars(row["cost_nanousd"])
    assert (
        page.locator(".chip").all_inner_texts() == ["Team: support\n×", "Model: openai/gpt-5\n×"]
        or page.locator(".chip").count() == 2
    )


def test_figures_stand_against_the_period_before(show, api, world):
    page = show("overview?from=-24h")
    now = api.get("/usage", params={"from": "-24h"}).json()["data"][0]
    then = api.get("/usage", params={"from": "-48h", "to": "-24h"}).json()["data"][0]
    share = now["requests"] / then["requests"] - 1
    assert page.inner_text("#tile-requests .delta") == f"{'↑' if share > 0 else '↓'} {abs(share) * 100:.1f}%"


def test_what_nobody_knows_the_cost_of_is_said_and_not_taken_for_nothing(show, api, world):
    span = span_of(world)
    page = show(f"overview?{span}")
    assert page.inner_text("#unknown-costs").startswith(
        f"{total(api, span)['unknown_costs']} attempts cost an amount that nobody knows"
    )


def test_a_figure_leads_to_the_requests_behind_it(show, api, world):
    span = span_of(world, 2)
    page = show(f"overview?{span}&team=support")
    page.click("#tile-errors")
    page.wait_for_selector("#shown-count")
    query = parse_qs(urlsplit(page.url).query)
    assert (query["failed"], query["team"]) == (["1"], ["support"])
    failed = total(api, span, team="support")["errors"]
    assert page.locator("#requests tbody tr").count() == failed if failed else page.is_visible("text=No requests in this span")


def test_a_row_leads_to_the_requests_of_its_group(show, world):
    page = show(f"overview?{span_of(world)}&by=team")
    page.click("#top-groups >> text=research")
    page.wait_for_selector("#requests")
    assert set(page.locator("#requests tbody tr td:nth-child(6)").all_inner_texts()) == {"research"}


def test_a_chart_is_read_and_opened_with_the_keyboard(show, api, world):
    span = span_of(world)
    page = show(f"overview?{span}")
    page.focus("#chart-requests .chart-plot")
    page.keyboard.press("End")
    told = page.inner_text("#announcer")
    last = api.get(f"/usage?{span}&interval=hour").json()["data"][-1]
    assert f"Answered {last['requests'] - last['errors']}" in told
    page.keyboard.press("Enter")
    page.wait_for_selector("#shown-count")
    query = parse_qs(urlsplit(page.url).query)
    assert datetime.fromisoformat(query["from"][0]) == datetime.fromisoformat(last["start"])


def test_pointing_at_a_chart_shows_its_figures(show, world):
    page = show(f"overview?{span_of(world)}")
    box = page.locator("#chart-spend .chart-plot").bounding_box()
    page.mouse.move(box["x"] + box["width"] - 30, box["y"] + 80)
    assert "Total" in page.inner_text("#chart-spend .chart-reading")


def test_a_chart_can_be_read_as_a_table_that_adds_up(show, api, world):
    span = span_of(world)
    page = show(f"overview?{span}")
    page.click("#chart-requests-table")
    shown = page.locator("#chart-requests tbody td:nth-child(2)").all_inner_texts()
    row = total(api, span)
    assert sum(int(text.replace(",", "")) for text in shown) == row["requests"] - row["errors"]


def test_a_series_can_be_hidden(show, world):
    page = show(f"overview?{span_of(world)}")
    bars = page.locator("#chart-requests rect.fill-bad")
    assert bars.count() > 0
    page.click("#chart-requests .legend-item >> text=Failed")
    assert bars.count() == 0


def test_spend_is_split_by_any_dimension_and_the_address_says_so(show, world):
    page = show(f"overview?{span_of(world)}")
    page.select_option("#split-by", "team")
    page.wait_for_selector("h2:text-is('Top teams')")
    assert "by=team" in page.url
    assert "payments" in page.inner_text("#chart-spend .chart-legend")


def test_a_span_of_ones_own_is_part_of_the_address(show):
    page = show("overview")
    page.click("#range-custom")
    page.fill("input[type=datetime-local] >> nth=0", "2026-01-01T00:00")
    page.fill("input[type=datetime-local] >> nth=1", "2026-01-02T00:00")
    page.click("#range-custom-panel >> text=Show")
    page.wait_for_url("**from=2026-01-01T00*")
    page.wait_for_selector("text=Nothing was spent in this span")  # what was shown before may still be there for a moment
    assert page.inner_text("#tile-requests .tile-value") == "0"


def test_a_live_page_shows_what_has_come_since(show, page, world):
    page.clock.install()
    show("overview?live=1")
    before = page.get_attribute("#tile-requests", "title")
    newest = {**world.requests[0], "id": "req_newest", "at": datetime.now(UTC).isoformat().replace("+00:00", "Z")}
    world.requests.insert(0, newest)
    page.clock.fast_forward(10_500)
    page.wait_for_selector(f"#tile-requests:not([title='{before}'])")
    assert int(page.get_attribute("#tile-requests", "title").replace(",", "")) == int(before.replace(",", "")) + 1


def test_the_fullest_budget_stands_first(show):
    page = show("overview")
    assert page.locator(".bar-name").first.inner_text() == "Key checkout-web · a day"


def test_what_fires_stands_first_and_the_worst_of_it(show, world):
    def alert(severity, title):
        return {
            "id": title,
            "rule": "target",
            "severity": severity,
            "title": title,
            "text": "",
            "since": world.now.isoformat(),
            "host": "",
        }

    world.alerts = [alert("warning", "openai/gpt-5 is <b>slow</b>"), alert("critical", "team search has used 100% of its budget")]
    told = show("overview").locator("#alerts li").all_inner_texts()
    assert [text.partition(" ")[0] for text in told] == ["team", "openai/gpt-5"]
    assert "<b>slow</b>" in told[1]


def test_where_nothing_fires_there_is_no_notice(show):
    assert show("overview").locator("#alerts").count() == 0
