"""OpenTelemetry's words for operations and providers (https://github.com/open-telemetry/semantic-conventions-genai)."""

from __future__ import annotations

from typing import Final

from weighbridge.core.terms import Operation

_PROVIDERS: Final = {
    "bedrock": "aws.bedrock",
    "azure": "azure.ai.openai",
    "gemini": "gcp.gemini",
    "vertex": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "xai": "x_ai",
}
"""Well-known values of `gen_ai.provider.name` for names of ours that differ."""
_OPERATIONS: Final = {
    Operation.CHAT: "chat",
    Operation.MESSAGES: "chat",
    Operation.RESPONSES: "chat",
    Operation.COMPLETIONS: "text_completion",
    Operation.GENERATE: "generate_content",
    Operation.STREAM_GENERATE: "generate_content",
    Operation.EMBEDDINGS: "embeddings",
    Operation.EMBED: "embeddings",
}


def provider_name(provider: str) -> str:
    """`gen_ai.provider.name` of a configured provider."""
    return _PROVIDERS.get(provider, provider)


def operation_name(operation: Operation) -> str:
    """`gen_ai.operation.name`; what has no word there keeps ours."""
    return _OPERATIONS.get(operation, operation.value)
