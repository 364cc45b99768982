"""Whether a provider can answer a request, and how: its bytes forwarded as they are, or translated into a format of its own."""

from __future__ import annotations

from enum import Enum
from fnmatch import fnmatchcase
from typing import Final, TypeAlias

from weighbridge.core.terms import Dialect, Operation, WireFormat
from weighbridge.providers.base import Provider
from weighbridge.wire.embeddings.terms import EmbeddingStyle
from weighbridge.wire.rerank.terms import RerankStyle
from weighbridge.wire.translate import DIALECT_OF, FORMAT_OF, best_format


class CountStyle(Enum):
    """How a request's tokens are counted for a caller of another dialect."""

    ESTIMATE = "estimate"
    """By the gateway's own bound: vendors count their own format only."""


Translation: TypeAlias = WireFormat | EmbeddingStyle | RerankStyle | CountStyle
"""What a request is written anew as."""

_EMBEDDING_OPERATIONS: Final = frozenset((Operation.EMBEDDINGS, Operation.EMBED))
_FORWARDED_STYLES: Final = {Operation.EMBEDDINGS: (None, "openai"), Operation.RERANK: (None, "jina")}
"""In whose style an endpoint may be asked for a caller's bytes to be forwarded; None: the provider's row says nothing of it."""

_EMBEDDING_STYLES: Final = (
    (Dialect.OPENAI, "*", EmbeddingStyle.OPENAI),
    (Dialect.GEMINI, "*", EmbeddingStyle.GEMINI),
    (Dialect.COHERE, "*", EmbeddingStyle.COHERE),
    (Dialect.OLLAMA, "*", EmbeddingStyle.OLLAMA),
    (Dialect.BEDROCK, "*cohere.embed*", EmbeddingStyle.BEDROCK_COHERE),
    (Dialect.BEDROCK, "*titan-embed*", EmbeddingStyle.TITAN),
)
"""By dialect and model, where the provider's row names no style; the first that fits."""


def is_native(provider: Provider, dialect: Dialect, operation: Operation, model: str) -> bool:
    """Whether a caller's bytes can be forwarded."""
    if dialect not in provider.bases:
        return False
    caller = FORMAT_OF.get(operation)
    if caller is None:
        return _speaks_natively(provider, dialect) and provider.operations.get(operation.value) in _FORWARDED_STYLES.get(
            operation, (provider.operations.get(operation.value),)
        )
    if not provider.formats:  # a server of which nothing is known but its dialect; one with `operations` alone gives no answers
        return not provider.operations
    path = provider.formats.get(caller)
    return caller in provider.native_formats and (path is None or path.serves(model))


def _speaks_natively(provider: Provider, dialect: Dialect) -> bool:
    """Whether the vendor's own paths stand at this address: a cloud has them elsewhere."""
    return not provider.formats or any(DIALECT_OF[native] is dialect for native in provider.native_formats)


def translation_for(provider: Provider, operation: Operation, model: str) -> Translation | None:
    """What to translate a request into; None where the provider has no way to answer it."""
    caller = FORMAT_OF.get(operation)
    if caller is not None:
        return best_format(caller, [spoken for spoken, path in provider.formats.items() if path.serves(model)])
    if operation in _EMBEDDING_OPERATIONS:
        return _embedding_style(provider, model)
    if operation is Operation.RERANK:
        return _rerank_style(provider)
    return CountStyle.ESTIMATE if operation is Operation.COUNT_TOKENS and provider.formats else None


def can_serve(provider: Provider, dialect: Dialect, operation: Operation, model: str) -> bool:
    """Whether a request can be answered there at all."""
    return is_native(provider, dialect, operation, model) or translation_for(provider, operation, model) is not None


def _embedding_style(provider: Provider, model: str) -> EmbeddingStyle | None:
    named = provider.operations.get(Operation.EMBEDDINGS.value)
    if named is not None:
        return EmbeddingStyle(named)
    fitting = (s for dialect, models, s in _EMBEDDING_STYLES if dialect in provider.bases and fnmatchcase(model, models))
    return next(fitting, None)


def _rerank_style(provider: Provider) -> RerankStyle | None:
    named = provider.operations.get(Operation.RERANK.value)
    if named is not None:
        return RerankStyle(named)
    return RerankStyle.COHERE if Dialect.COHERE in provider.bases else None
