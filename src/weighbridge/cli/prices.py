"""`weighbridge prices`: what models cost, by which list, line by line."""

# ruff: noqa: PLC0415 -- what is slow to import is imported when the command runs, so that `--help` is quick
from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from weighbridge.cli.config_file import ConfigOption, DataDirOption, read_config
from weighbridge.cli.console import CliError, JsonOption, counting, note, say, show_table
from weighbridge.cli.data_store import acting, open_store, span_of

if TYPE_CHECKING:
    from weighbridge.control.price_corrections import Report
    from weighbridge.core.rates import Bracket, Period, PriceBook, RateCard

prices_app: Final = typer.Typer(help="Show what models cost; correct what was booked at other prices.", no_args_is_help=True)

_PICO_PER_USD_PER_MTOK: Final = 1_000_000
_PICO_PER_USD: Final = 1_000_000_000_000
_PER_PIECE: Final = {
    "tool_call": "each",
    "file_search": "each",
    "request": "each",
    "audio_hour": "hour of audio",
    "character": "million characters",
}
_MOST_SHOWN: Final = 200


@prices_app.command("list")
def list_prices(
    pattern: Annotated[str, typer.Argument(help="`provider/model`, with `*` for anything.")] = "*",
    config: ConfigOption = None,
) -> None:
    """List the models whose price is known, with their input and output in dollars per million tokens or what they are charged
    by."""
    from fnmatch import fnmatchcase

    book = _book(config)
    rows = [
        (name, _dollars("input", card), _dollars("output", card), card.source.partition(":")[0])
        for name, card in _cards(book)
        if fnmatchcase(name, pattern)
    ]
    show_table(["model", "input", "output", "source"], rows[:_MOST_SHOWN])
    if len(rows) > _MOST_SHOWN:
        note(f"and {len(rows) - _MOST_SHOWN} more; give a pattern such as 'openai/*'")
    if not rows:
        note("nothing that is priced matches; `weighbridge models` lists what is configured")


@prices_app.command("show")
def show_prices(
    model: Annotated[str, typer.Argument(help="`provider/model`.")],
    config: ConfigOption = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show all prices of a model: by dimension, tier, length of the prompt, hour and date."""
    from weighbridge.core.codec import pretty_json
    from weighbridge.ledger.price_book import card_for

    provider, slash, name = model.partition("/")
    card = card_for(_book(config), provider, name) if slash else None
    if card is None:
        raise CliError(f"nobody knows what {model} costs", advice="give it a price under `prices` in the configuration")
    if as_json:
        say(pretty_json(card))
        return
    rows = [row for title, period in _titled(card) for bracket in period.brackets for row in _rows(title, period, bracket)]
    show_table(["when", "what", "dollars", "per"], rows, title=card.model)
    note(f"source: {card.source}")
    if card.unmetered:
        note(f"also charged, and not counted: {', '.join(card.unmetered)}")


@prices_app.command("correct")
def correct_prices(
    models: Annotated[str, typer.Argument(help="`provider/model`, with `*` for anything.")] = "*",
    start: Annotated[str, typer.Option("--from", help="RFC 3339, a date, or relative: -24h, -30d.")] = "-30d",
    end: Annotated[str, typer.Option("--to", help="The end, which is outside.")] = "now",
    reason: Annotated[str, typer.Option("--reason", help="For people, and for statements.")] = "",
    *,
    apply: Annotated[bool, typer.Option("--apply", help="Book the differences. Originals stay.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Look at what was used in a time by the prices that hold now for it, and book the differences if wanted."""
    from weighbridge.config.compile import compile_plan
    from weighbridge.control.price_corrections import Asked, correct_prices, repricer_of
    from weighbridge.control.price_corrections import as_json as report_as_json
    from weighbridge.core.codec import pretty_json
    from weighbridge.ledger.tariffs import Tariffs

    if apply and not reason.strip():
        raise CliError("--apply needs a --reason: statements show it")
    plan = compile_plan(read_config(config), version=0, stored_keys=())
    begins, ends = span_of(start, end)
    with open_store(config, data_dir, make=False) as store, counting("requests") as on_progress:
        store.ledger.tariff_of = Tariffs(plan.tariffs).of
        asked = Asked(models, begins, ends, reason.strip())
        report = correct_prices(store, repricer_of(plan, models), asked, acting() if apply else None, on_progress)
    if as_json:
        say(pretty_json(report_as_json(report)))
        return
    _show_report(report)


def _show_report(report: Report) -> None:
    from weighbridge.control.price_corrections import WHY
    from weighbridge.control.statement_pages import exact_usd

    rows = [
        (
            each.month,
            each.model,
            f"{each.attempts:,}",
            f"{each.unknown:,}",
            exact_usd(each.before),
            exact_usd(each.after),
            exact_usd(each.after - each.before),
            exact_usd(each.charge),
        )
        for each in report.lines
    ]
    if rows:
        names = ("month", "model", "attempts", "unknown before", "before, USD", "after, USD", "difference", "charged, difference")
        show_table(names, rows)
    for why, n in report.skipped.items():
        note(f"left as they are: {n:,} {WHY[why]}")
    if not rows:
        note(f"{report.requests:,} requests were looked at: every price is what was booked")
    elif report.id is None:
        note("nothing is booked: --apply --reason '…' books it")
    else:
        note(f"booked as {report.id}")


def _book(config: ConfigOption) -> PriceBook:
    from weighbridge.config.prices import compile_prices

    return compile_prices(read_config(config).config)


def _cards(book: PriceBook) -> list[tuple[str, RateCard]]:
    from weighbridge.ledger.price_book import card_for

    named = [
        f"{provider}/{listed.card.model}"
        for provider, lists in book.sources.items()
        for name in lists
        for listed in book.lists.get(name, ())
    ]
    found = ((name, card_for(book, *name.split("/", 1))) for name in dict.fromkeys(named))
    return [(name, card) for name, card in found if card is not None]


def _titled(card: RateCard) -> list[tuple[str, Period]]:
    return [("", period) for period in card.periods] + [
        (tier, period) for tier, periods in card.tiers.items() for period in periods
    ]


def _rows(title: str, period: Period, bracket: Bracket) -> list[tuple[str, str, str, str]]:
    from msgspec.structs import asdict

    when = ", ".join(word for word in (title or "standard", *_conditions(period, bracket)) if word)
    return [
        (when, name.replace("_", " "), _amount(name, rate), _PER_PIECE.get(name, "million tokens"))
        for name, rate in asdict(bracket.rates).items()
        if rate is not None
    ]


def _conditions(period: Period, bracket: Bracket) -> list[str]:
    from weighbridge.core.clock import utc_from_ns

    said = [f"above {bracket.above:,} input tokens"] if bracket.above >= 0 else []
    if period.from_wall_ns is not None:
        said.append(f"from {utc_from_ns(period.from_wall_ns).date()}")
    if period.window is not None:
        hours = (f"{second // 3600:02d}:{second // 60 % 60:02d}" for second in (period.window.start_s, period.window.end_s))
        said.append(f"{' to '.join(hours)} UTC")
    return said


def _dollars(name: str, card: RateCard) -> str:
    from weighbridge.core.rates import Rates

    rates = card.periods[-1].brackets[0].rates if card.periods else Rates()
    rate: int | None = getattr(rates, name)
    if rate is not None:
        return _amount(name, rate)
    if name == "input" and rates.audio_hour is not None:
        return f"{_amount('audio_hour', rates.audio_hour)} an hour of audio"
    if name == "input" and rates.character is not None:
        return f"{_amount('character', rates.character)} a million characters"
    return "unknown" if rates == Rates() else ""


def _amount(name: str, rate: int) -> str:
    unit = _PICO_PER_USD if name in _PER_PIECE and name != "character" else _PICO_PER_USD_PER_MTOK
    return f"{rate / unit:.6f}".rstrip("0").rstrip(".")
