"""`weighbridge limits`: rate limits, and those of the store made and deleted, whether the gateway runs or not."""

# ruff: noqa: PLC0415 -- what is slow to import is imported when the command runs, so that `--help` is quick
from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from weighbridge.cli.config_file import ConfigOption, DataDirOption
from weighbridge.cli.console import CliError, JsonOption, first_problem, note, say, show_table
from weighbridge.cli.data_store import acting, open_store, written_allowances
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.codec import pretty_json
from weighbridge.core.money import Nanousd, format_usd

if TYPE_CHECKING:  # pydantic takes longer to import than `--help` may take
    from weighbridge.core.allowances import RateLimit

limits_app: Final = typer.Typer(help="Show rate limits; make, change and delete some.", no_args_is_help=True)
LimitId = Annotated[str, typer.Argument(metavar="ID", help="As `limits list` shows it: `lim_…`.")]


@limits_app.command()
def create(
    scope: Annotated[str, typer.Argument(help="Whom it counts: `gateway`, `team:search`, `key:*` for each key by itself.")],
    measure: Annotated[str, typer.Argument(help="requests, tokens, input_tokens, output_tokens, dollars or concurrent.")],
    amount: Annotated[str, typer.Argument(help="How many at most; dollars as `0.50`.")],
    per: Annotated[str, typer.Option("--per", help="In which time, at most a day; not for `concurrent`.")] = "1m",
    burst: Annotated[int | None, typer.Option("--burst", min=1, help="How many at once, where that is another amount.")] = None,
    *,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Make a rate limit. It holds within a second where the gateway runs."""
    told = {**_told(scope, measure, amount), "per": per}
    if burst is not None:
        told["burst"] = burst
    with open_store(config, data_dir, make=True) as store:
        made = store.allowances.create(_read(told), acting()).allowance
    note(f"the limit of {scope} is {made.id}")


@limits_app.command("list")
def list_all(*, as_json: JsonOption = False, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """List rate limits of the configuration and of the store."""
    with open_store(config, data_dir, make=False) as store:
        found = written_allowances(config, data_dir).limits + store.allowances.all().limits
    if as_json:
        say(pretty_json(found))
        return
    show_table(("id", "for", "at most", "in", "at once"), [_row(limit) for limit in found])


@limits_app.command()
def edit(
    limit: LimitId,
    amount: Annotated[str, typer.Option("--amount", help="How many at most; dollars as `0.50`.")],
    *,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Change a limit of the store."""
    from weighbridge.core.allowances import RateLimit

    with open_store(config, data_dir, make=False) as store:
        found = store.allowances.get(limit).allowance
        if not isinstance(found, RateLimit):
            raise CliError(f"{limit} is a budget: `weighbridge budgets edit` changes those")
        changed = msgspec.structs.replace(found, amount=_read(_told("gateway", found.measure, amount)).amount)
        store.allowances.replace(changed, acting(), None)
    note(f"limit {limit} is {_amount(changed)} now")


@limits_app.command()
def delete(limit: LimitId, *, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Delete a limit of the store."""
    from weighbridge.core.allowances import RateLimit

    with open_store(config, data_dir, make=False) as store:
        if not isinstance(store.allowances.get(limit).allowance, RateLimit):
            raise CliError(f"{limit} is a budget: `weighbridge budgets delete` deletes those")
        store.allowances.delete(limit, acting(), None)
    note(f"limit {limit} is deleted")


def _told(scope: str, measure: str, amount: str) -> dict[str, object]:
    """A limit as the configuration has it, where dollars are not `usd`."""
    in_dollars = measure in ("dollars", "usd")
    return {"scope": scope, "dollars": amount} if in_dollars else {"scope": scope, measure: _count(amount)}


def _count(text: str) -> int:
    try:
        return int(text.replace("_", "").replace(",", ""))
    except ValueError:
        raise CliError(f"{text!r} is no whole number") from None


def _read(told: dict[str, object]) -> RateLimit:
    """A limit as operators write it, checked as the configuration's are. Raises `CliError`."""
    from pydantic import ValidationError

    from weighbridge.config import allowance_fields
    from weighbridge.config.allowances import compile_limit

    try:
        return compile_limit(allowance_fields.Limit.model_validate(told))
    except ValidationError as error:
        raise CliError(first_problem(error)) from None


def _row(limit: RateLimit) -> tuple[str, ...]:
    whom = ":".join(part for part in (limit.scope.kind.value, limit.scope.name) if part)
    time = "at a time" if limit.measure.value == "concurrent" else f"{limit.per_ns / NS_PER_S:g} s"
    return (limit.id, whom, _amount(limit), time, "" if limit.burst is None else f"{limit.burst:,}")


def _amount(limit: RateLimit) -> str:
    return format_usd(Nanousd(limit.amount)) if limit.measure.value == "usd" else f"{limit.amount:,} {limit.measure.value}"
