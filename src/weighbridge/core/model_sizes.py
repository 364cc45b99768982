"""How much a model may write and read: whose word counts, and what is taken where nobody knows.

In this order: the operator's (`model_limits`), what the vendor says (`providers/output_limits.toml`), the context window of the
price list, and `ASSUMED_OUTPUT`. Budgets hold what comes out of this for a request that names no bound, so it is never lower than
what the model can write.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

import msgspec

from weighbridge.core.rates import ModelFacts

ASSUMED_OUTPUT: Final = 65_536
"""Where nothing bounds the output of a model: what most models of 2026 write at most."""
ASSUMED: Final = "assumed"
"""The source of a bound that nobody has told."""


class SizeRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """What somebody says of the models that `match` (a glob of `provider/model`). None: nothing."""

    match: str
    max_output_tokens: int | None = None
    context_window: int | None = None
    source: str = ""
    """Whose word it is, for people: the configuration, or the vendor's page."""


class ModelSizes(NamedTuple):
    """What is known of one model."""

    max_output_tokens: int | None
    """What it may write at most. None: nobody says."""
    context_window: int | None
    """What it reads at most. None: nobody says."""
    output_bound: int
    """What a request that names no bound may write at most."""
    source: str
    """Where that bound comes from."""


def sizes_of(rules: Iterable[SizeRule], name: str, facts: ModelFacts) -> ModelSizes:
    """What is known of `provider/model`: by the first rules that say it, else by its price list (`facts`)."""
    said = [rule for rule in rules if fnmatchcase(name, rule.match)]
    output = next((rule for rule in said if rule.max_output_tokens is not None), None)
    window = next((rule for rule in said if rule.context_window is not None), None)
    context_window = facts.context_window if window is None else window.context_window
    if output is not None and output.max_output_tokens is not None:
        return ModelSizes(output.max_output_tokens, context_window, output.max_output_tokens, output.source)
    if window is not None and window.context_window is not None:
        return ModelSizes(None, context_window, window.context_window, f"the context window in {window.source}")
    # On the lists it is what goes in, beside which some models (Gemini's that speak) write more than they read.
    if facts.context_window is not None and facts.context_window > ASSUMED_OUTPUT:
        return ModelSizes(None, context_window, facts.context_window, "the context window in the price list")
    return ModelSizes(None, context_window, ASSUMED_OUTPUT, ASSUMED)
