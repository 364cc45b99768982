"""What models may write and read, in a configuration: the operator's word, then what vendors say of the providers in use."""

from __future__ import annotations

from weighbridge.config import schema
from weighbridge.core.model_sizes import SizeRule
from weighbridge.providers.output_limits import load_output_limits, vendor_rules


def compile_sizes(config: schema.Config) -> tuple[SizeRule, ...]:
    """All rules, in the order in which they are asked: of the operator's the last one that matches counts."""
    own = [
        SizeRule(each.match, each.max_output_tokens, each.context_window, "the configuration")
        for each in reversed(config.model_limits)
    ]
    limits = load_output_limits()
    told = [rule for name, entry in config.providers.items() for rule in vendor_rules(limits, name, entry.type or name)]
    return (*own, *told)
