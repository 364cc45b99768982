"""What the gateway's Records say was used is what the provider bills, in every dialect, whole and streamed."""

from __future__ import annotations

import msgspec
import pytest

from weighbridge.core.codec import decode_json
from weighbridge.core.terms import Usage
from weighbridge.testing import Fault

TEXT = "one two three"
CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": TEXT}]}
CACHED = [{"type": "text", "text": "metered " * 60, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
MESSAGE = {"model": "claude-sonnet-5", "max_tokens": 2048, "messages": CHAT["messages"]}
CONTENT = {"contents": [{"role": "user", "parts": [{"text": TEXT}]}]}
THINKING = {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}}
GEMINI = "/v1beta/models/gemini-2.5-flash"

ASKED = [
    ("/v1/chat/completions", CHAT),
    ("/v1/chat/completions", CHAT | {"reasoning_effort": "low"}),
    ("/v1/chat/completions", CHAT | {"stream": True}),
    ("/v1/chat/completions", CHAT | {"stream": True, "stream_options": {"include_usage": True}}),
    ("/v1/completions", {"model": "gpt-3.5-turbo-instruct", "prompt": TEXT}),
    ("/v1/completions", {"model": "gpt-3.5-turbo-instruct", "prompt": TEXT, "stream": True}),
    ("/v1/responses", {"model": "gpt-4.1", "input": TEXT}),
    ("/v1/responses", {"model": "gpt-4.1", "input": TEXT, "stream": True}),
    ("/v1/embeddings", {"model": "text-embedding-3-small", "input": [TEXT, TEXT]}),
    ("/v1/messages", MESSAGE),
    ("/v1/messages", MESSAGE | {"stream": True}),
    ("/v1/messages", MESSAGE | {"system": CACHED}),
    ("/v1/messages", MESSAGE | {"system": CACHED, "stream": True}),
    ("/v1/messages", MESSAGE | {"thinking": {"type": "enabled", "budget_tokens": 1024}, "stream": True}),
    (f"{GEMINI}:generateContent", CONTENT),
    (f"{GEMINI}:generateContent", CONTENT | THINKING),
    (f"{GEMINI}:streamGenerateContent?alt=sse", CONTENT | THINKING),
    (f"{GEMINI}:streamGenerateContent", CONTENT),
]


@pytest.fixture
def providers(openai_provider, anthropic_provider, gemini_provider):
    return {"openai": openai_provider, "anthropic": anthropic_provider, "gemini": gemini_provider}


@pytest.mark.parametrize(("path", "body"), ASKED)
@pytest.mark.parametrize("coding", [None, "gzip", "br", "zstd"])
def test_the_records_usage_is_the_one_that_is_billed(gateway, providers, path, body, coding):
    headers = {"anthropic-version": "2023-06-01"}
    if coding is not None:
        headers["accept-encoding"] = coding
        if not body.get("stream") or body.get("stream_options"):
            for provider in providers.values():
                provider.faults.add(Fault.encoded(coding))
    reply = gateway.request("POST", path, body, headers=headers)
    assert reply.status == 200, reply.body
    record = gateway.record_of(reply.headers["x-weighbridge-request-id"])
    provider = providers[record["provider"]]
    provider.journal.wait_until(lambda journal: journal.finished == len(journal))
    billed = provider.invoice().items[-1].usage
    if record["provider"] == "anthropic":
        # Anthropic counts its thinking as output and does not tell how much of it that was.
        billed = msgspec.structs.replace(billed, reasoning=0)
    assert msgspec.convert(record["usage"], Usage) == billed


def test_feedback_is_taken_as_soon_as_the_reply_is_there(gateway, providers):
    reply = gateway.request("POST", "/v1/chat/completions", CHAT)
    request_id = reply.headers["x-weighbridge-request-id"]
    said = {"request_id": request_id, "score": 0.75, "label": "right", "comment": "Just so."}
    assert gateway.request("POST", "/v1/feedback", said).status == 201
    shown = gateway.admin(f"/requests/{request_id}")["feedback"]
    assert [(each["score"], each["comment"]) for each in shown] == [(0.75, "Just so.")]
    refused = gateway.request("POST", "/v1/feedback", {"request_id": request_id, "stars": 5})
    assert (refused.status, decode_json(refused.body)["error"]["code"]) == (400, "unknown_field")
