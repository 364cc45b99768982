"""`weighbridge credits`: what customers have paid in advance; top-ups and grants, whether the gateway runs or not."""

# ruff: noqa: PLC0415 -- what is slow to import is imported when the command runs, so that `--help` is quick
from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Final

import typer

from weighbridge.auth.expiry import expiry_wall_ns
from weighbridge.cli.config_file import ConfigOption, DataDirOption
from weighbridge.cli.console import CliError, JsonOption, first_problem, note, say, show_table
from weighbridge.cli.data_store import acting, open_store
from weighbridge.core.clock import SystemClock, utc_from_ns
from weighbridge.core.codec import pretty_json
from weighbridge.core.money import Nanousd, format_usd, from_usd

if TYPE_CHECKING:  # SQLAlchemy takes longer to import than `--help` may take
    from pathlib import Path

    from weighbridge.control.credit_board import CreditView
    from weighbridge.storage.credit_store import Credit, CreditAccount, CreditKind
    from weighbridge.storage.store import Store

credits_app: Final = typer.Typer(help="Show prepaid credits; top accounts up and grant some.", no_args_is_help=True)
Payer = Annotated[str, typer.Argument(metavar="PAYER", help="Who pays: `organisation:acme`, `team:search`, `user:ann`, `key:ID`.")]
Amount = Annotated[str, typer.Argument(help="In dollars: `$50`, `0.25`.")]
Expires = Annotated[
    str | None, typer.Option("--expires", help="When what is left of it ends: `90d`, `2027-01-01`.", show_default="never")
]
Note = Annotated[str, typer.Option("--note", help="For people: the number of an invoice.")]


@credits_app.command("top-up")
def top_up(
    payer: Payer,
    amount: Amount,
    expires: Expires = None,
    remark: Note = "",
    *,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Book that a customer has paid in advance. From the first credit on, requests are refused that the credits do not cover."""
    _give(config, data_dir, "top_up", payer, amount, expires, remark)


@credits_app.command()
def grant(
    payer: Payer,
    amount: Amount,
    expires: Expires = None,
    remark: Note = "",
    *,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Give credits away."""
    _give(config, data_dir, "grant", payer, amount, expires, remark)


@credits_app.command("list")
def list_all(*, as_json: JsonOption = False, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """List accounts with what was given, charged, and is left."""
    with open_store(config, data_dir, make=False) as store:
        found = _views(store, store.credits.accounts())
    if as_json:
        say(pretty_json(found))
        return
    show_table(("payer", "left", "charged", "given", "expired", "next expiry", "tells below", "requests"), map(_row, found))


@credits_app.command()
def history(payer: Payer, *, as_json: JsonOption = False, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """List the top-ups and grants of an account, newest first."""
    from weighbridge.storage.credit_store import MAX_PAGE

    with open_store(config, data_dir, make=False) as store:
        account = _account(store, payer)
        found: list[Credit] = []
        while page := store.credits.credits(account.id, cursor=found[-1].id if found else None):
            found += page
            if len(page) < MAX_PAGE:
                break
    if as_json:
        say(pretty_json(found))
        return
    rows = [
        (
            utc_from_ns(each.created_wall_ns).isoformat(timespec="seconds"),
            "top-up" if each.kind == "top_up" else each.kind,
            _usd(each.amount),
            _until(each.expires_wall_ns),
            _usd(each.expired) if each.expired_wall_ns is not None else "",
            each.note,
            each.actor,
        )
        for each in found
    ]
    show_table(("at", "kind", "amount", "expires", "ran out unused", "note", "by"), rows)


@credits_app.command()
def edit(
    payer: Payer,
    alert_below: Annotated[
        str | None, typer.Option("--alert-below", help="Dollars below which operators are told; 0: never.")
    ] = None,
    *,
    prepaid: Annotated[
        bool | None, typer.Option("--prepaid/--postpaid", help="Whether requests are refused that the credits do not cover.")
    ] = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Change how an account is treated."""
    if prepaid is None and alert_below is None:
        raise CliError("nothing to change: say --prepaid, --postpaid or --alert-below")
    below = None if alert_below is None else _nanousd(alert_below)
    with open_store(config, data_dir, make=False) as store:
        changed = store.credits.change(_account(store, payer).id, acting(), None, is_prepaid=prepaid, alert_below=below)
    covered = "its credits must cover its requests" if changed.is_prepaid else "its credits need not cover its requests"
    below_text = f"told of below {_usd(changed.alert_below)}" if changed.alert_below else "told of never"
    note(f"{payer}: {covered}; {below_text}")


def _give(
    config: Path | None, data_dir: Path | None, kind: CreditKind, payer: str, amount: str, expires: str | None, remark: str
) -> None:
    from weighbridge.control.credit_payers import checked_payer
    from weighbridge.core.allowances import Scope, ScopeKind
    from weighbridge.storage.credit_store import NewCredit

    given = _nanousd(amount)
    if not given:
        raise CliError("a credit is more than nothing")
    who, _, name = payer.partition(":")
    if who not in ("organisation", "team", "user", "key") or not name:
        raise CliError(f"{payer!r} names nobody who pays: write organisation:acme, team:search, user:ann or key:key_…")
    try:
        until = None if expires is None else expiry_wall_ns(expires, SystemClock.wall_ns())
    except ValueError as error:
        raise CliError(f"--expires: {error}") from None
    with open_store(config, data_dir, make=True) as store:
        whom = checked_payer(store, Scope(ScopeKind(who), name))
        made = store.credits.give(NewCredit(whom, given, kind, until, remark), acting())
        [view] = _views(store, [store.credits.account(made.account_id)])
    note(f"{payer} has {_usd(view.balance_nanousd)} now ({made.id})")


def _views(store: Store, accounts: list[CreditAccount]) -> list[CreditView]:
    from weighbridge.control.credit_board import credits_now

    # What workers hold this moment is in their memory: here is what is in the books.
    return credits_now(accounts, store.ledger.counters(), lambda _name: (0, 0))


def _account(store: Store, payer: str) -> CreditAccount:
    found = next((each for each in store.credits.accounts() if each.payer == payer), None)
    if found is None:
        raise CliError(f"{payer} was never given credits", advice="`weighbridge credits list` shows who was")
    return found


def _nanousd(text: str) -> Nanousd:
    """Dollars as the configuration takes them. Raises `CliError`."""
    from pydantic import TypeAdapter, ValidationError

    from weighbridge.config.price_fields import Dollars

    try:
        dollars: Decimal = TypeAdapter(Dollars).validate_python(text.removeprefix("$"))
    except ValidationError as error:
        raise CliError(f"{text!r} is no amount: {first_problem(error)}") from None
    return from_usd(dollars)


def _row(view: CreditView) -> tuple[str, ...]:
    return (
        f"{view.payer['kind']}:{view.payer['name']}",
        _usd(view.balance_nanousd),
        _usd(view.charged_nanousd),
        _usd(view.given_nanousd),
        _usd(view.expired_nanousd),
        (view.next_expiry or "")[:10],
        _usd(view.alert_below_nanousd) if view.alert_below_nanousd else "",
        "must be covered" if view.is_prepaid else "need not be covered",
    )


def _usd(amount: int) -> str:
    return format_usd(Nanousd(amount))


def _until(wall_ns: int | None) -> str:
    return "never" if wall_ns is None else utc_from_ns(wall_ns).isoformat(timespec="seconds")
