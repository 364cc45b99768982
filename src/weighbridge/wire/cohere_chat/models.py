"""In what Cohere's models differ: the older ones neither think nor take thinking back, and plan their calls in `tool_plan` instead.

The list is of old models, since it is the one that does not grow. https://docs.cohere.com/docs/reasoning
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final

_DO_NOT_THINK: Final = (
    "command", "command-light*", "command-nightly", "command-r*", "command-a-03-*", "command-a-vision*", "command-a-translate*",
    "c4ai-*",
)  # fmt: skip


def thinks(model: str) -> bool:
    """Whether the model takes `thinking`, in requests and within messages."""
    return not any(fnmatchcase(model, glob) for glob in _DO_NOT_THINK)
