"""`weighbridge ledger`: whether the books add up, and what is in them, whether the gateway runs or not."""

# ruff: noqa: PLC0415 -- what is slow to import is imported when the command runs, so that `--help` is quick
from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from weighbridge.cli.config_file import ConfigOption, DataDirOption
from weighbridge.cli.console import CliError, JsonOption, note, say, show_table
from weighbridge.cli.data_store import acting, open_store
from weighbridge.core.clock import utc_from_ns
from weighbridge.core.codec import pretty_json
from weighbridge.core.money import Nanousd, format_usd

if TYPE_CHECKING:  # SQLAlchemy takes longer to import than `--help` may take
    from weighbridge.storage.ledger_store import Balance

ledger_app: Final = typer.Typer(help="Prove that the books add up, and look into them.", no_args_is_help=True)


@ledger_app.command()
def verify(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Compute balances, budgets' counters and sums anew. Exits with 1 at the first nano-dollar of difference."""
    from weighbridge.storage.ledger_checks import verify as check

    with open_store(config, data_dir, make=False) as store:
        findings = check(store.ledger, (lambda _step: None) if as_json else (lambda step: note(f"checking {step}")))
    if as_json:
        say(pretty_json({"is_sound": findings.is_sound, **findings._asdict()}))
    else:
        for problem in findings.problems:
            say(problem)
        counted = f"{findings.n_entries:,} entries, {findings.n_accounts:,} accounts, {findings.n_counters:,} counters"
        note(f"{'The ledger adds up' if findings.is_sound else 'THE LEDGER DOES NOT ADD UP'}: {counted}")
    if not findings.is_sound:
        raise typer.Exit(1)


@ledger_app.command()
def accounts(
    prefix: Annotated[str, typer.Argument(help="How their names begin: `provider_payable:`.", show_default="all")] = "",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """List accounts with what they were debited and credited."""
    with open_store(config, data_dir, make=False) as store:
        found = store.ledger.balances(prefix)
    if as_json:
        say(pretty_json([balance._asdict() for balance in found]))
        return
    rows = [_cells(each) for each in found]
    show_table(("account", "debits", "credits", "balance", "entries"), rows)


@ledger_app.command()
def hosts(*, as_json: JsonOption = False, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """List the hosts that have parts of shared budgets on lease, where several share a PostgreSQL."""
    with open_store(config, data_dir, make=False) as store:
        found = store.leases.hosts()
    if as_json:
        say(pretty_json([each._asdict() for each in found]))
        return
    rows = [(each.host, f"{each.n_counters:,}", f"{utc_from_ns(each.changed_wall_ns):%Y-%m-%d %H:%M:%S}") for each in found]
    show_table(("host", "counters", "last changed"), rows)


@ledger_app.command("release-host")
def release_host(
    host: Annotated[str, typer.Argument(help="As `ledger hosts` shows it.")],
    *,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """End the leases of a host that is gone for good, journals and all. While it runs this would let budgets be overspent."""
    with open_store(config, data_dir, make=False) as store:
        n_released = store.leases.release(host)
        if not n_released:
            raise CliError(f"no host {host!r} has anything on lease", advice="`weighbridge ledger hosts` shows who has")
        from weighbridge.storage.transactions import Change

        store.transactions.note(acting(), Change("release", "host", host, host, after={"n_counters": n_released}))
    note(f"{n_released:,} leases of {host} are free for other hosts")


def _cells(balance: Balance) -> tuple[str, ...]:
    debits, credits_ = balance.debits, balance.credits
    return (balance.account, _usd(debits), _usd(credits_), _usd(debits - credits_), f"{balance.entries:,}")


def _usd(amount: int) -> str:
    return format_usd(Nanousd(amount))
