from __future__ import annotations

import csv
import io

import pytest
from pyarrow import parquet

from weighbridge.control.statement_pages import as_csv, as_html, as_json, as_parquet, exact_usd
from weighbridge.core.allowances import Scope, ScopeKind
from weighbridge.storage.correction_store import Correction
from weighbridge.storage.statements import Line, Month, Statement

LINE = Line("openai/gpt-5", 1_234, 10, 2, 1, 5, 1_000_000_000, 7, 3, 1_500_000_001, 250_000_000)
EVIL = "=cmd|'/c calc'!A1<script>alert(1)</script>"


def made(**facts):
    whole = Statement(
        Scope(ScopeKind.TEAM, EVIL),
        Month(2026, 11),
        is_over=False,
        lines=[LINE],
        total=LINE._replace(model=""),
        divided_by="key",
        parts=[LINE],
    )
    return whole._replace(**facts)


@pytest.mark.parametrize(
    ("nanousd", "text"),
    [(0, "0.00"), (1, "0.000000001"), (1_500_000_000, "1.50"), (-250_000_000, "-0.25"), (10**18, "1000000000.00")],
)
def test_no_nano_dollar_is_rounded_away(nanousd, text):
    assert exact_usd(nanousd) == text


def test_a_name_is_no_formula_and_no_markup():
    [row] = list(csv.DictReader(io.StringIO(as_csv(made()))))
    assert row["payer"].startswith("team =")  # a text, since it begins with a letter
    [row] = list(csv.DictReader(io.StringIO(as_csv(made(lines=[LINE._replace(model=EVIL)])))))
    assert row["model"] == "'" + EVIL
    page = as_html(made(), {"openai/gpt-5": EVIL})
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_the_table_has_exact_dollars():
    [row] = list(csv.DictReader(io.StringIO(as_csv(made()))))
    assert (row["month"], row["cost_usd"], row["charged_usd"], row["requests"]) == ("2026-11", "1.00", "1.500000001", "1234")
    assert row["own_key_cost_usd"] == "0.25"


def test_the_page_says_what_is_preliminary_estimated_and_not_known():
    page = as_html(made(), {})
    told = ("Preliminary", "$1.500000001", "1,234", "of 3 attempts is not known", "is an estimate", "Providers, USD")
    for words in (*told, "$0.25 of what providers charge they bill to the customer"):
        assert words in page
    exact = LINE._replace(estimated=0, unknown_costs=0, charged=LINE.cost)
    page = as_html(made(is_over=True, total=exact, lines=[exact]), {})
    for words in ("Preliminary", "not known", "estimate,", "Providers, USD"):
        assert words not in page


def test_the_page_loads_nothing_from_elsewhere():
    page = as_html(made(), {})
    assert not [sign for sign in ("http:", "https:", "src=", "url(", "@import", "<link") if sign in page]


def test_parts_have_their_names_in_json():
    told = as_json(made(), {"openai/gpt-5": "ci"})
    assert (told["parts"][0]["name"], told["total"]["charged_nanousd"], told["is_over"]) == ("ci", 1_500_000_001, False)


def test_each_correction_is_told_once_in_json():
    corrections = [Correction(f"cor_{n}", 1, "user:ada", f"reason {n}", "*", 0, 1, 1, n, n) for n in (1, 2)]
    told = as_json(made(corrections=corrections), {})["corrections"]
    assert [each["id"] for each in told] == ["cor_1", "cor_2"]


def test_a_warehouse_gets_exact_dollars_and_corrections_as_the_table_has_them():
    found = made(corrections=[Correction("cor_1", 1, "user:ada", "list price", "*", 0, 1, 1, -5, -7)])
    model, correction = parquet.read_table(io.BytesIO(as_parquet(found))).to_pylist()
    assert (model["payer"], model["month"], model["model"]) == (f"team {EVIL}", "2026-11", "openai/gpt-5")
    assert (str(model["cost_usd"]), str(model["charged_usd"]), model["requests"]) == ("1.000000000", "1.500000001", 1_234)
    assert (correction["model"], correction["requests"]) == ("correction: list price", 0)
    assert (str(correction["cost_usd"]), str(correction["charged_usd"])) == ("-5E-9", "-7E-9")
