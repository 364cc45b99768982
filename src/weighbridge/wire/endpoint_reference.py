"""The page about what callers may ask for, made from the table by which requests are found."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from weighbridge.core.terms import Dialect, ModelPlace, Operation
from weighbridge.wire.endpoints import Listed, listed

_HEAD: Final = """\
# What callers may ask for

Every path of the data plane, by the dialect whose it is. This page is made from `src/weighbridge/wire/endpoints.py`.

A path stands below a root. Below `/v1` all three dialects have theirs; where two have the same (`/v1/models`, `/v1/files`), it is
Anthropic's with the header `anthropic-version`, Google's with `x-goog-api-key`, else OpenAI's. `/v1beta` is Google's,
`/v1beta/openai` and `/api/v1` are OpenAI's as Google and OpenRouter have them. `/openai/v1`, `/anthropic/v1` and `/gemini/v1beta`
ask the provider of that name, as `/{provider}/…` asks any that is configured, and so does the header `x-weighbridge-provider`;
there, paths that are not here pass as they are. What OpenAI has with the model in the body or a form Azure has below
`/openai/deployments/{model}`; below `/engines/{model}` it is there, too.

*To whom* says who can answer: **any** provider, in whatever format it speaks; one that speaks the **dialect**, byte for byte; the
dialect's own **vendor** (or the one that is named), since nobody else knows the file or batch; or the gateway **itself**.
What has no model in it and costs something is refused where a key is limited to certain models, and under hard budgets.
"""

_ANY: Final = frozenset(
    (
        *(Operation.CHAT, Operation.COMPLETIONS, Operation.RESPONSES, Operation.MESSAGES, Operation.GENERATE),
        *(Operation.STREAM_GENERATE, Operation.COUNT_TOKENS, Operation.EMBEDDINGS, Operation.EMBED, Operation.RERANK),
    )
)
_ITSELF: Final = frozenset((Operation.MODELS, Operation.EXPLAIN))
_CHARGED: Final = {
    Operation.RAW: "nobody knows what it costs; reading and deleting is free",
    Operation.FILES: "free",
    Operation.MODELS: "free",
    Operation.EXPLAIN: "free: nothing is sent",
    Operation.COUNT_TOKENS: "free",
    Operation.BATCHES: "once its state tells what it took",
    Operation.BATCHES_STORED: "free, but for what a batch took",
    Operation.MESSAGE_BATCHES: "once its results tell what it took",
    Operation.MESSAGE_BATCHES_STORED: "free, but for what a batch took",
    Operation.RESPONSES_STORED: "free, but for what went on in the background",
}
_PLACES: Final = {
    ModelPlace.BODY: "body",
    ModelPlace.FORM: "form",
    ModelPlace.PATH: "path",
    ModelPlace.QUERY: "query",
    ModelPlace.NOWHERE: "",
}
_TITLES: Final = {Dialect.OPENAI: "OpenAI", Dialect.ANTHROPIC: "Anthropic", Dialect.GEMINI: "Gemini"}
_HOSTED: Final = ("/deployments", "/engines")
_IN_WORDS: Final = (
    (re.compile(r"\(\?P<model>(?:[^()]|\([^()]*\))*\)"), "{model}"),
    (re.compile(r"/\[\^/%\]\+"), "/{id}"),
    (re.compile(r"/\[\^/:\]\+"), "/{id}"),
    (re.compile(r"\[\^%\]\+|\.\+"), "…"),
    (re.compile(r"\(\?:\[/:\]\.\*\)\?"), "/…"),
    (re.compile(r"\(\?:(alpha\|beta)\)\?"), "beta"),
    (re.compile(r"\(\?:([^()]*)\)"), r"(\1)"),
)
"""From an expression to what it means."""


def endpoints_markdown() -> str:
    """The page `docs/reference/endpoints.md`."""
    lines = [_HEAD]
    for dialect, title in _TITLES.items():
        lines += [f"## {title}", "", "| | path | model in | to whom | charged |", "|---|---|---|---|---|"]
        lines += [line for found in listed(dialect) if not found.path.startswith(_HOSTED) for line in _rows(found)]
        lines.append("")
    return "\n".join(lines)


def _rows(found: Listed) -> Iterator[str]:
    endpoint = found.endpoint
    charged = "free" if found.methods == "GET" and endpoint.operation is Operation.RAW else _charged(endpoint.operation)
    cells = (_PLACES[endpoint.model_place], _to_whom(endpoint.operation, endpoint.model_place), charged)
    for path in _paths(found.path):
        yield f"| {found.methods} | `{path}` | {' | '.join(cells)} |"


def _charged(operation: Operation) -> str:
    return _CHARGED.get(operation, "by its usage")


def _to_whom(operation: Operation, place: ModelPlace) -> str:
    if operation in _ANY:
        return "any"
    if operation in _ITSELF:
        return "itself"
    return "vendor" if place is ModelPlace.NOWHERE else "dialect"


def _paths(expression: str) -> Iterator[str]:
    path = expression
    for pattern, words in _IN_WORDS:
        path = pattern.sub(words, path)
    yield from _each_of(path)


def _each_of(path: str) -> Iterator[str]:
    """One path for each of what stands in brackets."""
    found = re.search(r"\(([^()]*)\)", path)
    if found is None:
        yield path
        return
    for choice in found[1].split("|"):
        yield from _each_of(path[: found.start()] + choice + path[found.end() :])
