"""A request for embeddings in no dialect, and its reply."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NoReturn

import msgspec

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import NO_USAGE, Usage

Tokens = tuple[int, ...]


class EmbeddingStyle(StrEnum):
    """How a vendor is asked for embeddings."""

    OPENAI = "openai"
    MISTRAL = "mistral"
    VOYAGE = "voyage"
    JINA = "jina"
    GEMINI = "gemini"
    VERTEX = "vertex"
    COHERE = "cohere"
    BEDROCK_COHERE = "bedrock-cohere"
    TITAN = "titan"
    OLLAMA = "ollama"


class Task(StrEnum):
    """What the vectors are for: most vendors' models place a question and a passage differently."""

    QUERY = "query"
    DOCUMENT = "document"
    CLASSIFICATION = "classification"
    CLUSTERING = "clustering"
    SIMILARITY = "similarity"
    QUESTION = "question"
    FACT = "fact"
    CODE = "code"


class EmbeddingRequest(msgspec.Struct, frozen=True):
    """Texts (or tokens of OpenAI's models) to embed. `None` was not said."""

    model: str
    inputs: tuple[str | Tokens, ...]
    dimensions: int | None = None
    encoding: str | None = None
    """`float` or `base64`: how the caller wants its vectors."""
    task: Task | None = None
    title: str | None = None
    user: str | None = None
    truncate: bool | None = None
    is_batch: bool = True
    """Gemini: `batchEmbedContents` was called, so the answer is a list."""


class EmbeddingReply(msgspec.Struct, frozen=True):
    """One vector for each input, in their order."""

    vectors: tuple[Sequence[float], ...]
    model: str = ""
    usage: Usage = NO_USAGE


OPENAI_TASKS: Final = {task.value: task for task in Task}
"""Words in which a caller of the OpenAI dialect may name a task (`input_type`, `task`, `task_type`), besides the vendors' own."""

_VENDORS: Final = {
    "search_query": Task.QUERY,
    "search_document": Task.DOCUMENT,
    "retrieval.query": Task.QUERY,
    "retrieval.passage": Task.DOCUMENT,
    "passage": Task.DOCUMENT,
    "retrieval_query": Task.QUERY,
    "retrieval_document": Task.DOCUMENT,
    "semantic_similarity": Task.SIMILARITY,
    "text-matching": Task.SIMILARITY,
    "separation": Task.CLUSTERING,
    "question_answering": Task.QUESTION,
    "fact_verification": Task.FACT,
    "code_retrieval_query": Task.CODE,
}


def task_named(word: str | None) -> Task | None:
    """The task that a caller names, in whichever vendor's word; None for none, and for a word that nobody knows."""
    if word is None:
        return None
    lower = word.lower()
    return OPENAI_TASKS.get(lower) or _VENDORS.get(lower)


def texts_of(request: EmbeddingRequest) -> list[str]:
    """The inputs as texts. Raises `GatewayError` INVALID_REQUEST for tokens, which only OpenAI's models understand."""
    texts = [text for text in request.inputs if isinstance(text, str)]
    if len(texts) != len(request.inputs):
        raise GatewayError(
            ErrorKind.INVALID_REQUEST,
            "This model takes texts, and no arrays of tokens.",
            param="input",
            code="tokens_not_supported",
        )
    return texts


def malformed() -> NoReturn:
    """The provider's answer has no vectors."""
    raise GatewayError(ErrorKind.PROVIDER_MALFORMED, "The provider's answer holds no embeddings.")
