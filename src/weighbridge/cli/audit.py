"""`weighbridge audit`: who did what, newest first, whether the gateway runs or not."""

# ruff: noqa: PLC0415 -- what is slow to import is imported when the command runs, so that `--help` is quick
from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from weighbridge.cli.config_file import ConfigOption, DataDirOption
from weighbridge.cli.console import JsonOption, say, show_table
from weighbridge.cli.data_store import open_store
from weighbridge.core.clock import utc_from_ns
from weighbridge.core.codec import encode_json, pretty_json

if TYPE_CHECKING:  # SQLAlchemy takes longer to import than `--help` may take
    from weighbridge.storage.audit_store import AuditEntry


def audit(
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many at most.")] = 50,
    actor: Annotated[
        str | None, typer.Option("--actor", help="Whose acts: `key:root`, `user:ann@example.org`, `cli:root`.")
    ] = None,
    kind: Annotated[str | None, typer.Option("--kind", help="To what: key, team, user, budget, …")] = None,
    *,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show administrative acts, newest first."""
    from weighbridge.storage.audit_store import AuditQuery

    with open_store(config, data_dir, make=False) as store:
        found = store.audit.entries(AuditQuery(limit, None, actor, kind))
    if as_json:
        say(pretty_json([entry._asdict() for entry in found]))
        return
    show_table(("when", "who", "did", "to", "what changed"), [_row(entry) for entry in found])


def _row(entry: AuditEntry) -> tuple[str, ...]:
    changes = "; ".join(f"{name}: {_text(entry.before.get(name))} → {_text(value)}" for name, value in entry.after.items())
    when = f"{utc_from_ns(entry.at_wall_ns):%Y-%m-%d %H:%M:%S}"
    return (when, entry.actor, entry.action, f"{entry.kind} {entry.subject}".strip(), "" if entry.action == "create" else changes)


def _text(value: object) -> str:
    return "–" if value is None else value if isinstance(value, str) else encode_json(value).decode()
