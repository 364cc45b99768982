"""`weighbridge models`: what can be asked for."""

# ruff: noqa: PLC0415 -- what is slow to import is imported when the command runs, so that `--help` is quick
from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from weighbridge.cli.config_file import ConfigOption, read_config
from weighbridge.cli.console import note, say, show_table
from weighbridge.core.codec import pretty_json

if TYPE_CHECKING:
    from weighbridge.pipeline.plan import Plan


class ModelRow(msgspec.Struct, frozen=True):
    """A model at a provider and the routes that lead to it. `is_pattern`: `model` stands for every name that it matches."""

    provider: str
    model: str
    routes: tuple[str, ...]
    is_pattern: bool = False


def models(
    config: ConfigOption = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the models that callers may ask for, by provider, with the routes to them."""
    from weighbridge.config.compile import compile_plan

    rows = model_rows(compile_plan(read_config(config), version=1, stored_keys=()))
    if as_json:
        say(pretty_json(rows))
        return
    show_table(
        ["provider", "model", "routes"],
        [(row.provider, f"{row.model} (any)" if row.is_pattern else row.model, ", ".join(row.routes)) for row in rows],
    )
    if not rows:
        note("no provider has a model: set a provider's API key in the environment, or write a file with `weighbridge init`")


def model_rows(plan: Plan) -> list[ModelRow]:
    """Every listed model, every model that only a route names, and every pattern, in the order of the providers."""
    routes: dict[tuple[str, str], list[str]] = {}
    for route in plan.routes:
        for deployment in route.deployments:
            routes.setdefault((deployment.provider, deployment.model), []).append(route.requested_model)
    rows: list[ModelRow] = []
    for provider in plan.providers:
        routed = [model for name, model in routes if name == provider.name and model not in provider.models]
        rows += [
            ModelRow(provider.name, model, tuple(routes.get((provider.name, model), ()))) for model in (*provider.models, *routed)
        ]
        rows += [ModelRow(provider.name, pattern, (), is_pattern=True) for pattern in provider.patterns]
    return rows
