"""The `demo` provider: models that need no key and no network, in the dialects of OpenAI, Anthropic and Gemini.

`respond` is pure: equal arguments give equal replies, down to the byte. Whoever plays a reply back waits before each of its
chunks. docs/reference/demo-provider.md tells users what the models do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from weighbridge.core.terms import Dialect
from weighbridge.providers.demo.anthropic import respond_anthropic
from weighbridge.providers.demo.exchange import DemoChunk, DemoReply, DemoRequest, Stamp, stamp
from weighbridge.providers.demo.gemini import respond_gemini
from weighbridge.providers.demo.models import MODELS
from weighbridge.providers.demo.openai import respond_openai

__all__ = ["MODEL_NAMES", "DemoChunk", "DemoReply", "DemoRequest", "respond"]

MODEL_NAMES: Final = tuple(MODELS)
"""All models, for the provider's entry in the plan."""

_DIALECTS: Final[Mapping[Dialect, Callable[[DemoRequest, Stamp], DemoReply]]] = {
    Dialect.OPENAI: respond_openai,
    Dialect.ANTHROPIC: respond_anthropic,
    Dialect.GEMINI: respond_gemini,
}


def respond(request: DemoRequest, *, now_s: int, request_number: int) -> DemoReply:
    """Answer one request; bad ones get the vendor's error, so this raises nothing.

    `now_s` is Unix time in seconds. Ids are hashes of the request, `now_s` and `request_number`, so they are unique as long
    as no two requests of one second share a number: workers that count for themselves must start far apart.
    """
    return _DIALECTS[request.dialect](request, stamp(request, now_s=now_s, request_number=request_number))
