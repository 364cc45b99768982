"""In what the models behind Converse differ: data by glob of the model's id, since the API's own fields are the same for all.

Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html (fields of each vendor),
…/prompt-caching.html (who caches what), …/structured-output.html (who obeys a schema), and recorded exchanges.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final, Literal, NamedTuple

Thinking = Literal["claude", "nova", "reasoning_effort", "reasoning_config", "none"]


class Family(NamedTuple):
    """What a vendor's models take. The defaults are those of a model of which nothing is known."""

    thinking: Thinking = "none"
    """`claude`: `thinking: {type, budget_tokens}`; `nova`: `reasoningConfig: {type, maxReasoningEffort}`; the other two: a field
    of that name with the effort."""
    top_k: tuple[str, ...] = ()
    """Where `top_k` goes in `additionalModelRequestFields`, as a path; empty: nowhere."""
    takes_reasoning: bool = True
    """Whether signed thinking of earlier turns is taken back. Everybody else's is refused, or read as the user's."""
    caches: bool = True
    caches_tools: bool = True
    obeys_schemas: bool = True
    """Structured output and strict tools."""
    grounding: str = ""
    """The name of its own tool that searches the web."""
    takes_system: bool = True
    """Whether there are instructions besides messages."""
    tool_choices: tuple[str, ...] = ("auto", "required", "named")
    """The ways to choose tools that may be said; who knows none is free to choose (API_runtime_ToolChoice)."""


_CLAUDE: Final = Family("claude", ("top_k",))
_NOVA: Final = Family("none", ("inferenceConfig", "topK"), takes_reasoning=False, caches_tools=False, obeys_schemas=False)
_OPEN: Final = Family(takes_reasoning=False, caches=False, tool_choices=())
_OLD: Final = Family(takes_reasoning=False, caches=False, obeys_schemas=False, tool_choices=())

_FAMILIES: Final[tuple[tuple[str, Family], ...]] = (
    ("*anthropic.*", _CLAUDE),
    ("*claude*", _CLAUDE),
    ("*amazon.nova-2*", _NOVA._replace(thinking="nova", grounding="nova_grounding")),
    ("*amazon.nova-premier*", _NOVA._replace(grounding="nova_grounding")),
    ("*amazon.nova*", _NOVA),
    ("*amazon.titan*", _OLD._replace(takes_system=False)),
    ("*meta.llama*", _OLD),
    ("*ai21.*", _OLD),
    ("*cohere.*", _OLD._replace(top_k=("k",))),
    ("*mistral.mistral-7b*", _OLD._replace(top_k=("top_k",), takes_system=False)),
    ("*mistral.mixtral*", _OLD._replace(top_k=("top_k",), takes_system=False)),
    ("*mistral.*", _OPEN._replace(top_k=("top_k",), tool_choices=("auto", "required"))),
    ("*openai.gpt-oss*", _OPEN._replace(thinking="reasoning_effort")),
    ("*qwen.*", _OPEN._replace(thinking="reasoning_config")),
    ("*deepseek.*", _OPEN),
    ("*minimax.*", _OPEN),
    ("*zai.*", _OPEN),
    ("*moonshot*", _OPEN),
    ("*google.gemma*", _OPEN),
    ("*nvidia.*", _OPEN),
)
_UNKNOWN: Final = Family()
"""An inference profile's ARN says nothing of its model."""


@lru_cache(maxsize=256)
def family_of(model: str) -> Family:
    """The family of a model, by its id, the id of an inference profile (`us.…`) or an ARN that names it."""
    return next((family for glob, family in _FAMILIES if fnmatchcase(model, glob)), _UNKNOWN)
