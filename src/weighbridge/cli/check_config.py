"""`weighbridge check-config`: all errors of a configuration at once, or what it comes to."""

# ruff: noqa: PLC0415 -- what is slow to import is imported when the command runs, so that `--help` is quick
from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from weighbridge.cli.config_file import ConfigOption, read_config
from weighbridge.cli.console import note, say, show_table

if TYPE_CHECKING:
    from weighbridge.core.routes import RouteTarget
    from weighbridge.pipeline.plan import Plan
    from weighbridge.providers.base import Base


def check_config(
    config: ConfigOption = None,
    *,
    json_schema: Annotated[
        bool,
        typer.Option("--json-schema", help="Print the JSON Schema of the file instead, for editors."),
    ] = False,
) -> None:
    """Check the configuration and show the providers and routes that it makes."""
    if json_schema:
        from weighbridge.config.json_schema import config_json_schema

        say(config_json_schema())
        return
    from weighbridge.config.compile import compile_plan

    loaded = read_config(config)
    _show(compile_plan(loaded, version=1, stored_keys=()))
    say(f"{loaded.source} is valid" if loaded.source else "no configuration file: the providers come from the environment")


def _show(plan: Plan) -> None:
    providers = [
        (
            provider.name,
            "\n".join(f"{dialect.value}: {_address(base)}" for dialect, base in provider.bases.items()),
            str(len(provider.credentials)),
            ", ".join(provider.patterns) or str(len(provider.models)),
        )
        for provider in plan.providers
    ]
    if providers:
        show_table(["provider", "speaks", "keys", "models"], providers, title="Providers")
    else:
        note("no provider is configured, so that every model is unknown: add one, such as `providers: {demo: {}}`")
    if plan.routes:
        routes = [
            (route.requested_model, str(route.strategy), "\n".join(_target_line(target) for target in route.targets))
            for route in plan.routes
        ]
        show_table(["route", "strategy", "targets"], routes, title="Routes")


def _target_line(target: RouteTarget) -> str:
    deployment = target.deployment
    name = f"route {target.route}" if deployment is None else f"{deployment.provider}/{deployment.model}"
    weight = "" if target.weight == 1 else f", weight {target.weight:g}"
    return name + weight + (f", when {target.when}" if target.when else "")


def _address(base: Base) -> str:
    origin = base.origin
    if origin.scheme == "demo":
        return "built in"
    port = f":{origin.port}" if origin.port else ""
    return f"{origin.scheme}://{origin.host}{port}{base.path}"
