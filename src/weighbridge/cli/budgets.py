"""`weighbridge budgets`: what they have left, and those of the store made, changed and deleted, whether the gateway runs or not."""

# ruff: noqa: PLC0415 -- what is slow to import is imported when the command runs, so that `--help` is quick
from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from weighbridge.cli.config_file import ConfigOption, DataDirOption
from weighbridge.cli.console import CliError, JsonOption, first_problem, note, say, show_table
from weighbridge.cli.data_store import acting, open_store, written_allowances
from weighbridge.core.codec import pretty_json
from weighbridge.core.money import Nanousd, format_usd

if TYPE_CHECKING:  # SQLAlchemy takes longer to import than `--help` may take
    from weighbridge.control.budget_board import BudgetAccountView, BudgetView
    from weighbridge.core.allowances import Budget

budgets_app: Final = typer.Typer(help="Show budgets and what they have left; make, change and delete some.", no_args_is_help=True)
BudgetId = Annotated[str, typer.Argument(metavar="ID", help="As `budgets list` shows it: `bud_…`.")]
_FULL_PER_MILLE: Final = 1_000
_BAR: Final = 10


@budgets_app.command()
def create(
    scope: Annotated[str, typer.Argument(help="Whom it counts: `gateway`, `team:search`, `key:*` for each key by itself.")],
    amount: Annotated[str, typer.Argument(help="`$100`, or `1_000_000 tokens`.")],
    period: Annotated[str, typer.Option("--period", help="hour, day, week, month or total.")] = "month",
    timezone: Annotated[str, typer.Option("--timezone", help="Where its days begin.")] = "UTC",
    on_shortage: Annotated[str, typer.Option("--on-shortage", help="lower (cap the output at what fits) or refuse.")] = "lower",
    *,
    soft: Annotated[bool, typer.Option("--soft", help="Only tell, and refuse nothing.")] = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Make a budget. It counts from now on, and holds within a second where the gateway runs."""
    told = {"scope": scope, "amount": amount, "period": period, "timezone": timezone, "on_shortage": on_shortage, "hard": not soft}
    with open_store(config, data_dir, make=True) as store:
        made = store.allowances.create(_read(told), acting()).allowance
    note(f"the budget of {scope} is {made.id}")


@budgets_app.command("list")
def list_all(*, as_json: JsonOption = False, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """List budgets of the configuration and of the store, with what each of their accounts has spent."""
    from weighbridge.control.budget_board import budgets_now
    from weighbridge.core.allowances import Allowances
    from weighbridge.core.clock import SystemClock

    with open_store(config, data_dir, make=False) as store:
        made = store.allowances.all().budgets
        written = written_allowances(config, data_dir).budgets
        # What workers hold this moment is in their memory: here is what is in the books.
        found = budgets_now(Allowances(written + made), store.ledger.counters(), lambda _name: (0, 0), SystemClock.wall_ns())
    if as_json:
        say(pretty_json(found))
        return
    rows = [row for budget in found for row in _rows(budget)]
    show_table(("id", "for", "spent", "of", "left", "", "period", "when short"), rows)


@budgets_app.command()
def edit(
    budget: BudgetId,
    amount: Annotated[str | None, typer.Option("--amount", help="`$100`, or `1_000_000 tokens`.")] = None,
    on_shortage: Annotated[str | None, typer.Option("--on-shortage", help="lower or refuse.")] = None,
    *,
    hard: Annotated[bool | None, typer.Option("--hard/--soft", help="Whether it is never overspent, or only tells.")] = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Change a budget of the store. What was spent stays spent."""
    from weighbridge.core.allowances import Budget, Shortage

    with open_store(config, data_dir, make=False) as store:
        found = store.allowances.get(budget).allowance
        if not isinstance(found, Budget):
            raise CliError(f"{budget} is a limit: `weighbridge limits edit` changes those")
        changed = msgspec.structs.replace(found, is_hard=found.is_hard if hard is None else hard)
        if amount is not None:
            read = _read({"scope": "gateway", "amount": amount})
            if read.unit is not found.unit:
                raise CliError(f"{budget} counts {found.unit.value}: make another budget for something else")
            changed = msgspec.structs.replace(changed, amount=read.amount)
        if on_shortage is not None:
            if on_shortage not in tuple(Shortage):
                raise CliError(f"--on-shortage: {on_shortage!r} is neither `lower` nor `refuse`")
            changed = msgspec.structs.replace(changed, on_shortage=Shortage(on_shortage))
        store.allowances.replace(changed, acting(), None)
    note(f"budget {budget} is {_amount(changed.amount, changed.unit.value)} now")


@budgets_app.command()
def delete(budget: BudgetId, *, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Delete a budget of the store. What was spent stays in the ledger."""
    from weighbridge.core.allowances import Budget

    with open_store(config, data_dir, make=False) as store:
        if not isinstance(store.allowances.get(budget).allowance, Budget):
            raise CliError(f"{budget} is a limit: `weighbridge limits delete` deletes those")
        store.allowances.delete(budget, acting(), None)
    note(f"budget {budget} is deleted")


def _read(told: dict[str, object]) -> Budget:
    """A budget as operators write it, checked as the configuration's are. Raises `CliError`."""
    from pydantic import ValidationError

    from weighbridge.config import allowance_fields
    from weighbridge.config.allowances import compile_budget

    try:
        return compile_budget(allowance_fields.Budget.model_validate(told))
    except ValidationError as error:
        raise CliError(first_problem(error)) from None


def _rows(budget: BudgetView) -> list[tuple[str, ...]]:
    whom = ":".join(part for part in (budget.scope["kind"], budget.scope["name"]) if part)
    shortage = ("caps" if budget.on_shortage == "lower" else "refuses") if budget.is_hard else "tells"
    amount = _amount(budget.amount, budget.unit)
    if not budget.accounts:
        return [(budget.id, whom, "nothing", amount, amount, "", budget.period, shortage)]
    return [
        (
            budget.id,
            f"{budget.scope['kind']}:{account.subject}" if account.subject else whom,
            _amount(account.spent, budget.unit),
            amount,
            _amount(account.left, budget.unit),
            _bar(account, budget.amount),
            budget.period,
            shortage,
        )
        for account in budget.accounts
    ]


def _bar(account: BudgetAccountView, amount: int) -> str:
    per_mille = min(_FULL_PER_MILLE, (account.spent + account.held) * _FULL_PER_MILLE // amount) if amount else _FULL_PER_MILLE
    n_full = per_mille * _BAR // _FULL_PER_MILLE
    return f"{'█' * n_full}{'░' * (_BAR - n_full)} {per_mille / 10:.0f} %"


def _amount(amount: int, unit: str) -> str:
    return format_usd(Nanousd(amount)) if unit == "usd" else f"{amount:,} tokens"
