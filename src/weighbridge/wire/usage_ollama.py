"""Ollama's counts, which stand at the top of its last line, as a `Usage`.

https://github.com/ollama/ollama/blob/main/docs/api.md#response-7. A server that has the whole prompt in its cache leaves
`prompt_eval_count` out (older versions); what it says then of the prompt is nothing, and the sum is no longer the server's own.
"""

from __future__ import annotations

from weighbridge.core.terms import NO_USAGE, Provenance, Usage


def from_ollama(prompt_eval_count: int | None, eval_count: int | None) -> Usage:
    """The counts of a reply; `NO_USAGE` where there are none."""
    if prompt_eval_count is None and eval_count is None:
        return NO_USAGE
    is_whole = prompt_eval_count is not None and eval_count is not None
    provenance = Provenance.REPORTED if is_whole else Provenance.DERIVED
    return Usage(prompt_eval_count or 0, output=eval_count or 0, provenance=provenance)
