"""What the tools that OpenAI ran for a response have used, which its `usage` leaves out: searches, and pictures that another model
has made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from weighbridge.core.terms import Provenance, Usage, UsageApart
from weighbridge.wire.usage import Count, OpenAiUsage, add, from_openai_in_full


class SearchUsage(msgspec.Struct, gc=False):
    """Of the web. Only those that are billed count: not the discounted ones, and not to open a page."""

    num_requests: Count = None


class ToolUsage(msgspec.Struct, gc=False):
    """`tool_usage` of a response, beside its `usage`; absent from older replies and from Azure's
    (https://platform.openai.com/docs/api-reference/responses/object)."""

    image_gen: OpenAiUsage | None = None
    web_search: SearchUsage | None = None


class ResponseTool(msgspec.Struct, gc=False):
    """A tool that the request allowed, as the reply repeats it."""

    type: str | None = None
    model: str | None = None


class Step(NamedTuple):
    """An item of a response's output: its type, its action's, whether that was done, and how a picture was made."""

    kind: str | None
    action: str | None = None
    status: str | None = None
    quality: str | None = None
    size: str | None = None


def with_tools(
    usage: Usage, told: ToolUsage | None, steps: Sequence[Step], tools: Sequence[ResponseTool]
) -> tuple[Usage, tuple[UsageApart, ...]]:
    """The counts with those of the response's tools, and the part of them that has another model's price."""
    if usage.provenance is Provenance.UNKNOWN or not (steps or told is not None):
        return usage, ()
    usage = _with_searches(usage, told.web_search if told is not None else None, steps)
    if usage.told_nanousd is not None:  # xAI's pictures are in the cost that it tells
        return usage, ()
    made = _pictures(told.image_gen if told is not None else None, steps)
    if made is None:
        return usage, ()
    return add(usage, made), (UsageApart(_image_model(tools), made),)


def _with_searches(usage: Usage, told: SearchUsage | None, steps: Sequence[Step]) -> Usage:
    """ "Search actions incur a tool call cost" (https://platform.openai.com/docs/guides/tools-web-search): to open a page that was
    found, and to look for something in it, costs nothing. Files have a price of their own."""
    n_files = sum(step.kind == "file_search_call" for step in steps)
    if told is not None and told.num_requests is not None:
        n_searches = told.num_requests
    else:
        n_searches = sum(step.kind in _SEARCHES and step.action not in _WITHIN_PAGES for step in steps)
    if not n_files and not n_searches:
        return usage
    return msgspec.structs.replace(usage, tool_calls=usage.tool_calls or n_searches, file_searches=n_files)


_SEARCHES: Final = frozenset(("web_search_call", "x_search_call"))
_WITHIN_PAGES: Final = frozenset(("open_page", "find_in_page"))


def _pictures(told: OpenAiUsage | None, steps: Sequence[Step]) -> Usage | None:
    """What their model has used. Where the reply shows pictures and does not tell, an estimate by their sizes, without what was
    read for them."""
    if told is not None and told.output_tokens:
        return from_openai_in_full(told, is_image_output=True)
    made = [step for step in steps if step.kind == "image_generation_call" and step.status != "failed"]
    tokens = sum(tokens_of_picture(step.quality, step.size) for step in made)
    return Usage(output_image=tokens, provenance=Provenance.ESTIMATED) if tokens else None


def _image_model(tools: Sequence[ResponseTool]) -> str:
    named = [tool.model for tool in tools if tool.type == "image_generation" and tool.model]
    return named[0] if named else IMAGE_MODEL


IMAGE_MODEL: Final = "gpt-image-1"
"""Which one makes them where nobody says it (the API's own default)."""


def tokens_of_picture(quality: str | None, size: str | None) -> int:
    """How many tokens a picture is. Of a size or quality that is not known, those of the largest."""
    of_quality = _PICTURE_TOKENS.get(quality or "", _PICTURE_TOKENS["high"])
    return of_quality.get(size or "") or max(of_quality.values())


def most_of_a_picture(model: str, quality: str | None = None, size: str | None = None) -> int:
    """The most tokens that a picture of this model's may be, with those that show it half made."""
    return _HALF_MADE + (tokens_of_picture(quality, size) if model in _OF_KNOWN_SIZES else _LARGEST_PICTURE)


_OF_KNOWN_SIZES: Final = frozenset((IMAGE_MODEL, "gpt-image-1-mini", "gpt-image-1.5"))
_HALF_MADE: Final = 300
"""Up to three `partial_images` of 100 tokens (https://platform.openai.com/docs/guides/image-generation#partial-images-cost)."""
_LARGEST_PICTURE: Final = 16_384
"""GPT Image 2's are some 12,300 for 3584x2048 in high quality, by the calculator on the page below."""
_PICTURE_TOKENS: Final = {
    "low": {"1024x1024": 272, "1024x1536": 408, "1536x1024": 400},
    "medium": {"1024x1024": 1_056, "1024x1536": 1_584, "1536x1024": 1_568},
    "high": {"1024x1024": 4_160, "1024x1536": 6_240, "1536x1024": 6_208},
}
"""GPT Image 1 and its kin (https://platform.openai.com/docs/guides/image-generation#cost-and-latency)."""
