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
    from collections.abc import Iterable

    from weighbridge.control.live_models import LiveList
    from weighbridge.pipeline.plan import Plan


class ModelRow(msgspec.Struct, frozen=True):
    """A model at a provider and the routes that lead to it. `is_pattern`: `model` stands for every name that it matches. `is_live`:
    the provider listed it just now."""

    provider: str
    model: str
    routes: tuple[str, ...]
    is_pattern: bool = False
    is_live: bool = False
    output_bound: int | None = None
    """What an answer may have at most where its request names no bound; null for patterns."""
    output_source: str = ""
    """Where that comes from."""
    context_window: int | None = None


def models(
    config: ConfigOption = None,
    *,
    live: Annotated[bool, typer.Option("--live", help="Ask the providers for their lists, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the models that callers may ask for, by provider, with the routes to them and the most that an answer may have."""
    from weighbridge.config.compile import compile_plan

    plan = compile_plan(read_config(config), version=1, stored_keys=())
    if live:
        plan = _asked(plan)
    rows = model_rows(plan)
    if as_json:
        say(pretty_json(rows))
        return
    show_table(
        ["provider", "model", "routes", "most output", "by"],
        [
            (
                row.provider,
                f"{row.model} (any)" if row.is_pattern else row.model,
                ", ".join(row.routes),
                "" if row.output_bound is None else f"{row.output_bound:,}",
                row.output_source,
            )
            for row in rows
        ],
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
        known = {*provider.models, *provider.live_models}
        routed = [model for name, model in routes if name == provider.name and model not in known]
        live = set(provider.live_models)
        rows += [
            _row(plan, provider.name, model, tuple(routes.get((provider.name, model), ())), is_live=model in live)
            for model in (*provider.models, *routed, *provider.live_models)
        ]
        rows += [ModelRow(provider.name, pattern, (), is_pattern=True) for pattern in provider.patterns]
    return rows


def _row(plan: Plan, provider: str, model: str, routes: tuple[str, ...], *, is_live: bool) -> ModelRow:
    from weighbridge.core.model_sizes import sizes_of
    from weighbridge.core.rates import ModelFacts
    from weighbridge.ledger.price_book import card_for

    card = card_for(plan.prices, provider, model)
    sizes = sizes_of(plan.sizes, f"{provider}/{model}", ModelFacts() if card is None else card.facts)
    return ModelRow(
        provider,
        model,
        routes,
        is_live=is_live,
        output_bound=sizes.output_bound,
        output_source=sizes.source,
        context_window=sizes.context_window,
    )


def _asked(plan: Plan) -> Plan:
    """The plan with what the providers list; who gave no list is noted with the reason."""
    import asyncio

    from weighbridge.control.live_models import with_live_models

    lists = asyncio.run(_lists(plan))
    _note_failures(lists)
    return with_live_models(plan, lists)


async def _lists(plan: Plan) -> list[LiveList]:
    from weighbridge.control.live_models import LiveModels
    from weighbridge.core.clock import SystemClock
    from weighbridge.core.tasks import TaskSet
    from weighbridge.http.client import HttpClient

    clock = SystemClock()
    client = HttpClient(clock=clock, limits=plan.limits)
    try:
        tasks = TaskSet(lambda _bug: None)  # which reaches who waits, here
        return await LiveModels(client, clock, tasks).lists(plan.providers)
    finally:
        await client.close()


def _note_failures(lists: Iterable[LiveList]) -> None:
    for answer in lists:
        if answer.error:
            note(f"{answer.provider}: {answer.error}")
