"""The pure parts of the scripts: figures, spans, JSON, files, guesses."""

from __future__ import annotations

import pytest
from tests.browser.conftest import Watch
from tests.control.dashboard.fake_gateway import World

from weighbridge.control.dashboard.assets import load_assets

TOP = f"/dashboard/static/{load_assets().version}"


@pytest.fixture(scope="module")
def watched(chromium, stage):
    """One page for all tests of this file, at which nobody is signed in, and what it did wrong: what they call leaves nothing."""
    stage.show(World(1))
    context = chromium.new_context(base_url=stage.address, timezone_id="UTC")
    page, watch = context.new_page(), Watch(stage.address)
    watch.over(page)
    page.goto("/dashboard/sign-in")
    yield page, watch
    context.close()
    assert watch.wrong == []


@pytest.fixture
def page(watched):
    opened, watch = watched
    yield opened
    wrong, watch.wrong = watch.wrong, []
    assert wrong == []


@pytest.fixture
def call(page):
    """What a function of a module gives for arguments; those that are text of digits and `n` become BigInt."""

    def called(module: str, function: str, *args):
        return page.evaluate(
            """async ([path, name, args]) => {
                const big = (value) => (typeof value === "string" && /^-?\\d+n$/.test(value) ? BigInt(value.slice(0, -1)) : value);
                const found = (await import(path))[name](...args.map(big));
                return typeof found === "bigint" ? `${found}n` : found;
            }""",
            [f"{TOP}/{module}", function, list(args)],
        )

    return called


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        ("0n", "$0.00"),
        ("1n", "$0.000000001"),
        ("123456n", "$0.000123"),
        ("9999999n", "$0.0100"),
        ("999999999n", "$1.00"),
        ("1000000000n", "$1.00"),
        ("1234567890123n", "$1,234.57"),
        ("-1500000000n", "−$1.50"),
        ("9007199254740993001n", "$9,007,199,254.74"),
        (None, "unknown"),
    ],
)
def test_money_has_three_digits_below_a_dollar_and_cents_above(call, nano, text):
    assert call("core/format.js", "money", nano) == text


@pytest.mark.parametrize(
    ("nano", "text"), [("1n", "$0.000000001"), ("9007199254740993001n", "$9,007,199,254.740993001"), ("-5n", "−$0.000000005")]
)
def test_exact_money_loses_nothing(call, nano, text):
    assert call("core/format.js", "exactMoney", nano) == text


@pytest.mark.parametrize(
    ("text", "nano"),
    [
        ("12.5", "12500000000n"),
        ("$1,000", "1000000000000n"),
        (".000000001", "1n"),
        ("", None),
        ("1.2.3", None),
        ("1e9", None),
        ("0.0000000001", None),
    ],
)
def test_dollars_that_are_typed_are_read_exactly_or_not_at_all(call, text, nano):
    assert call("core/format.js", "parseMoney", text) == nano


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0.1834, "183 µs"),
        (0, "0 ms"),
        (12.34, "12.3 ms"),
        (1234, "1.23 s"),
        (99_900, "99.9 s"),
        (123_000, "2 m 03 s"),
        (7_380_000, "2 h 03 m"),
        (200_000_000, "2 d 7 h"),
        (None, "–"),
    ],
)
def test_durations(call, ms, text):
    assert call("core/format.js", "duration", ms) == text


def test_amounts_survive_json_both_ways(page):
    text = '{"cost_nanousd":9007199254740993001,"requests":3,"price":1.5,"left":-7,"spent":null}'
    found = page.evaluate(
        """async ([path, text]) => {
            const { parseJson, writeJson } = await import(path);
            const value = parseJson(text);
            return [writeJson(value), typeof value.cost_nanousd, typeof value.requests, typeof value.left, value.spent];
        }""",
        [f"{TOP}/core/json.js", text],
    )
    assert found == [text, "bigint", "number", "bigint", None]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("a,b", '"a,b"'),
        ('say "x"', '"say ""x"""'),
        ("=1+1", "'=1+1"),
        ("@cmd", "'@cmd"),
        ("-1", "'-1"),
        (-1, "-1"),
        ("two\nlines", '"two\nlines"'),
        (None, ""),
    ],
)
def test_a_cell_is_never_a_formula(call, value, cell):
    assert call("parts/csv.js", "cell", value) == cell


DAY = 86_400_000
NOON = 20_000 * DAY + DAY // 2


def days(*values: float) -> list[dict]:
    """Days that end with the one of `NOON`."""
    return [{"at": (20_000 - len(values) + 1 + index) * DAY, "value": value} for index, value in enumerate(values)]


def test_a_steady_month_ends_where_it_was_going(call):
    found = call("core/forecast.js", "monthsEnd", days(*[10.0] * 9, 5.0), NOON)
    # Day 20,000 of Unix time is 4 October 2024: three whole days of the month and half a fourth are over.
    assert found["spent"] == 35.0
    assert found["expected"] == pytest.approx(35 + 10 * 27.5)
    assert found["low"] == found["high"] == found["expected"]


def test_nothing_is_foretold_before_a_day_is_complete(call):
    assert call("core/forecast.js", "monthsEnd", days(5.0), NOON) is None


def test_a_day_far_above_those_before_it_stands_out(call):
    usual = [10, 11, 9, 10, 12, 10, 9, 11]
    found = call("core/forecast.js", "anomalies", days(*usual, 40, *usual))
    assert [(each["value"], each["usual"]) for each in found] == [(40, 10)]


@pytest.mark.parametrize("values", [[1] * 20, [0] * 10 + [5], [0.001] * 9 + [0.009], [3, 9], list(range(1, 20))])
def test_what_is_steady_tiny_new_or_growing_does_not(call, values):
    assert call("core/forecast.js", "anomalies", days(*values)) == []


@pytest.mark.parametrize(
    ("query", "span"),
    [
        ("from=-7d", ("-14d", "-7d")),
        ("from=-24h", ("-48h", "-24h")),
        ("from=2026-03-02T00:00:00Z&to=2026-03-03T00:00:00Z", ("2026-03-01T00:00:00.000Z", "2026-03-02T00:00:00.000Z")),
    ],
)
def test_the_period_before_has_the_same_length(page, query, span):
    found = page.evaluate(
        "async ([path, query]) => { const m = await import(path); return m.before(m.rangeOf(new URLSearchParams(query))); }",
        [f"{TOP}/core/range.js", query],
    )
    assert (found["from"], found["to"]) == span


@pytest.mark.parametrize("query", ["from=nonsense", "from=now&to=-1h", "to=2020-01-01"])
def test_a_span_that_cannot_be_read_is_the_last_day(page, query):
    found = page.evaluate(
        "async ([path, query]) => (await import(path)).rangeOf(new URLSearchParams(query)).from", [f"{TOP}/core/range.js", query]
    )
    assert found == "-24h"


@pytest.mark.parametrize(
    ("most", "steps"), [(0, [0, 1]), (7, [0, 2, 4, 6, 8]), (100, [0, 25, 50, 75, 100]), (0.003, [0, 0.001, 0.002, 0.003])]
)
def test_axes_have_round_steps_that_hold_the_largest(call, most, steps):
    assert call("charts/scale.js", "niceSteps", most) == pytest.approx(steps)
