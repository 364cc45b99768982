"""How each dialect says why an answer ended, both ways, as tables."""

from __future__ import annotations

from typing import Final

from weighbridge.wire.events import FinishReason

_F = FinishReason

# https://platform.openai.com/docs/api-reference/chat/object; `function_call` is the legacy spelling; `model_length` Mistral's;
# `insufficient_system_resource` DeepSeek's; `sensitive`, `network_error` Z.ai's; `eos` Together's; `end_turn` Bedrock's mantle.
READ_OPENAI_CHAT: Final = {
    "stop": _F.STOP,
    "eos": _F.STOP,
    "end_turn": _F.STOP,
    "length": _F.LENGTH,
    "model_length": _F.LENGTH,
    "max_tokens": _F.LENGTH,
    "tool_calls": _F.TOOL_CALLS,
    "function_call": _F.TOOL_CALLS,
    "content_filter": _F.CONTENT_FILTER,
    "sensitive": _F.CONTENT_FILTER,
    "error": _F.ERROR,
    "insufficient_system_resource": _F.ERROR,
    "network_error": _F.ERROR,
}
WRITE_OPENAI_CHAT: Final = {
    _F.STOP: "stop",
    _F.STOP_SEQUENCE: "stop",
    _F.LENGTH: "length",
    _F.CONTEXT_LENGTH: "length",
    _F.TOOL_CALLS: "tool_calls",
    _F.CONTENT_FILTER: "content_filter",
    _F.REFUSAL: "content_filter",
    _F.PAUSE: "stop",
    _F.MALFORMED_TOOL_CALL: "stop",
    _F.ERROR: "stop",
    _F.OTHER: "stop",
}

# https://docs.anthropic.com/en/api/handling-stop-reasons
READ_ANTHROPIC: Final = {
    "end_turn": _F.STOP,
    "stop_sequence": _F.STOP_SEQUENCE,
    "max_tokens": _F.LENGTH,
    "model_context_window_exceeded": _F.CONTEXT_LENGTH,
    "tool_use": _F.TOOL_CALLS,
    "refusal": _F.REFUSAL,
    "pause_turn": _F.PAUSE,
}
WRITE_ANTHROPIC: Final = {
    _F.STOP: "end_turn",
    _F.STOP_SEQUENCE: "stop_sequence",
    _F.LENGTH: "max_tokens",
    _F.CONTEXT_LENGTH: "model_context_window_exceeded",
    _F.TOOL_CALLS: "tool_use",
    _F.CONTENT_FILTER: "refusal",
    _F.REFUSAL: "refusal",
    _F.PAUSE: "pause_turn",
    _F.MALFORMED_TOOL_CALL: "end_turn",
    _F.ERROR: "end_turn",
    _F.OTHER: "end_turn",
}

# https://ai.google.dev/api/generate-content#FinishReason
READ_GEMINI: Final = {
    "STOP": _F.STOP,
    "MAX_TOKENS": _F.LENGTH,
    "SAFETY": _F.CONTENT_FILTER,
    "RECITATION": _F.CONTENT_FILTER,
    "BLOCKLIST": _F.CONTENT_FILTER,
    "PROHIBITED_CONTENT": _F.CONTENT_FILTER,
    "SPII": _F.CONTENT_FILTER,
    "LANGUAGE": _F.CONTENT_FILTER,
    "IMAGE_SAFETY": _F.CONTENT_FILTER,
    "IMAGE_PROHIBITED_CONTENT": _F.CONTENT_FILTER,
    "IMAGE_RECITATION": _F.CONTENT_FILTER,
    "MALFORMED_FUNCTION_CALL": _F.MALFORMED_TOOL_CALL,
    "UNEXPECTED_TOOL_CALL": _F.MALFORMED_TOOL_CALL,
    "TOO_MANY_TOOL_CALLS": _F.MALFORMED_TOOL_CALL,
    "MISSING_THOUGHT_SIGNATURE": _F.ERROR,
    "OTHER": _F.OTHER,
    "IMAGE_OTHER": _F.OTHER,
    "NO_IMAGE": _F.OTHER,
}
WRITE_GEMINI: Final = {
    _F.STOP: "STOP",
    _F.STOP_SEQUENCE: "STOP",
    _F.LENGTH: "MAX_TOKENS",
    _F.CONTEXT_LENGTH: "MAX_TOKENS",
    _F.TOOL_CALLS: "STOP",
    _F.CONTENT_FILTER: "SAFETY",
    _F.REFUSAL: "SAFETY",
    _F.PAUSE: "OTHER",
    _F.MALFORMED_TOOL_CALL: "MALFORMED_FUNCTION_CALL",
    _F.ERROR: "OTHER",
    _F.OTHER: "OTHER",
}

# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html (stopReason)
READ_BEDROCK: Final = {
    "end_turn": _F.STOP,
    "stop_sequence": _F.STOP_SEQUENCE,
    "max_tokens": _F.LENGTH,
    "model_context_window_exceeded": _F.CONTEXT_LENGTH,
    "tool_use": _F.TOOL_CALLS,
    "guardrail_intervened": _F.CONTENT_FILTER,
    "content_filtered": _F.CONTENT_FILTER,
    "malformed_tool_use": _F.MALFORMED_TOOL_CALL,
    "malformed_model_output": _F.ERROR,
}

# https://docs.cohere.com/reference/chat (finish_reason)
READ_COHERE: Final = {
    "COMPLETE": _F.STOP,
    "STOP_SEQUENCE": _F.STOP_SEQUENCE,
    "MAX_TOKENS": _F.LENGTH,
    "ERROR_LIMIT": _F.CONTEXT_LENGTH,
    "TOOL_CALL": _F.TOOL_CALLS,
    "ERROR_TOXIC": _F.CONTENT_FILTER,
    "ERROR": _F.ERROR,
    "TIMEOUT": _F.ERROR,
}

# https://github.com/ollama/ollama/blob/main/docs/api.md (done_reason)
READ_OLLAMA: Final = {"stop": _F.STOP, "length": _F.LENGTH, "load": _F.OTHER, "unload": _F.OTHER}

# Responses: `incomplete_details.reason`
READ_RESPONSES_INCOMPLETE: Final = {"max_output_tokens": _F.LENGTH, "content_filter": _F.CONTENT_FILTER}
WRITE_RESPONSES_INCOMPLETE: Final = {
    _F.LENGTH: "max_output_tokens",
    _F.CONTEXT_LENGTH: "max_output_tokens",
    _F.CONTENT_FILTER: "content_filter",
}
"""Every other end is a completed response."""
