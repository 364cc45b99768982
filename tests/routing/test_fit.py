from __future__ import annotations

import pytest

from weighbridge.core.terms import Dialect, Operation, Origin, WireFormat
from weighbridge.providers.base import Base, CallPath, Provider
from weighbridge.routing.fit import can_serve, is_native, translation_for
from weighbridge.wire.embeddings.terms import EmbeddingStyle
from weighbridge.wire.rerank.terms import RerankStyle

D, F, O = Dialect, WireFormat, Operation  # noqa: E741 - as short as the tables want them


def made(*dialects, formats=(), native=None, operations=None):
    bases = {dialect: Base(Origin("https", "x"), "") for dialect in dialects}
    paths = {each: CallPath("/x") for each in formats}
    return Provider("x", bases, formats=paths, native_formats=frozenset(native or ()), operations=operations or {})


CHAT_ONLY = made(D.OPENAI, formats=(F.OPENAI_CHAT,), native=(F.OPENAI_CHAT,))
OPENAI = made(D.OPENAI, formats=(F.OPENAI_RESPONSES, F.OPENAI_CHAT), native=(F.OPENAI_CHAT, F.OPENAI_RESPONSES))
CLAUDE = made(D.ANTHROPIC, formats=(F.ANTHROPIC_MESSAGES,), native=(F.ANTHROPIC_MESSAGES,))
HOSTED_CLAUDE = made(D.ANTHROPIC, formats=(F.ANTHROPIC_MESSAGES,))
PLAIN = made(D.OPENAI)


@pytest.mark.parametrize(
    ("provider", "dialect", "operation", "native"),
    [
        (CHAT_ONLY, D.OPENAI, O.CHAT, True),
        (CHAT_ONLY, D.OPENAI, O.RESPONSES, False),
        (CHAT_ONLY, D.OPENAI, O.FILES, True),
        (CHAT_ONLY, D.ANTHROPIC, O.MESSAGES, False),
        (CLAUDE, D.ANTHROPIC, O.MESSAGES, True),
        (HOSTED_CLAUDE, D.ANTHROPIC, O.MESSAGES, False),
        (PLAIN, D.OPENAI, O.RESPONSES, True),
        (HOSTED_CLAUDE, D.ANTHROPIC, O.COUNT_TOKENS, False),
        (made(D.OPENAI, operations={"rerank": "jina"}), D.OPENAI, O.CHAT, False),
        (made(D.OPENAI, operations={"embeddings": "voyage"}), D.OPENAI, O.EMBEDDINGS, False),
        (made(D.OPENAI, operations={"embeddings": "openai"}), D.OPENAI, O.EMBEDDINGS, True),
        (made(D.OPENAI, operations={"rerank": "jina"}), D.OPENAI, O.RERANK, True),
        (made(D.OPENAI, operations={"rerank": "voyage"}), D.OPENAI, O.RERANK, False),
    ],
)
def test_bytes_are_forwarded_where_the_provider_speaks_the_callers_format(provider, dialect, operation, native):
    assert is_native(provider, dialect, operation, "m") is native


@pytest.mark.parametrize(
    ("provider", "operation", "model", "into"),
    [
        (CLAUDE, O.CHAT, "m", F.ANTHROPIC_MESSAGES),
        (OPENAI, O.MESSAGES, "m", F.OPENAI_RESPONSES),
        (CHAT_ONLY, O.MESSAGES, "m", F.OPENAI_CHAT),
        (OPENAI, O.COMPLETIONS, "m", F.OPENAI_CHAT),
        (HOSTED_CLAUDE, O.MESSAGES, "m", F.ANTHROPIC_MESSAGES),
        (PLAIN, O.MESSAGES, "m", None),
        (CLAUDE, O.EMBEDDINGS, "m", None),
        (made(D.GEMINI), O.EMBEDDINGS, "m", EmbeddingStyle.GEMINI),
        (made(D.COHERE), O.EMBEDDINGS, "m", EmbeddingStyle.COHERE),
        (made(D.OLLAMA), O.EMBED, "m", EmbeddingStyle.OLLAMA),
        (made(D.OPENAI), O.EMBED, "m", EmbeddingStyle.OPENAI),
        (made(D.BEDROCK), O.EMBEDDINGS, "amazon.titan-embed-text-v2:0", EmbeddingStyle.TITAN),
        (made(D.BEDROCK), O.EMBEDDINGS, "eu.cohere.embed-v4:0", EmbeddingStyle.BEDROCK_COHERE),
        (made(D.BEDROCK), O.EMBEDDINGS, "amazon.nova", None),
        (made(D.OPENAI, operations={"embeddings": "voyage"}), O.EMBEDDINGS, "m", EmbeddingStyle.VOYAGE),
        (made(D.COHERE), O.RERANK, "m", RerankStyle.COHERE),
        (made(D.OPENAI, operations={"rerank": "voyage"}), O.RERANK, "m", RerankStyle.VOYAGE),
        (CLAUDE, O.RERANK, "m", None),
        (OPENAI, O.FILES, "m", None),
    ],
)
def test_each_request_has_one_best_translation_or_none(provider, operation, model, into):
    assert translation_for(provider, operation, model) == into


def test_what_can_be_neither_forwarded_nor_translated_cannot_be_served():
    assert can_serve(CLAUDE, D.OPENAI, O.CHAT, "m")
    assert not can_serve(CLAUDE, D.OPENAI, O.FILES, "m")
    assert not can_serve(PLAIN, D.ANTHROPIC, O.MESSAGES, "m")


def test_a_clouds_formats_are_those_of_the_model():
    bases = {dialect: Base(Origin("https", "x"), "") for dialect in (D.ANTHROPIC, D.BEDROCK)}
    invoke, converse = CallPath("/invoke", models=("anthropic.*",)), CallPath("/converse")
    cloud = Provider("x", bases, formats={F.ANTHROPIC_MESSAGES: invoke, F.BEDROCK_CONVERSE: converse})
    assert translation_for(cloud, O.MESSAGES, "anthropic.claude") is F.ANTHROPIC_MESSAGES
    assert translation_for(cloud, O.MESSAGES, "amazon.nova") is F.BEDROCK_CONVERSE
