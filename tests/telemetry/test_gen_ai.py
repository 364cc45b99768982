from __future__ import annotations

from weighbridge.core.terms import Operation
from weighbridge.telemetry.gen_ai import operation_name, provider_name


def test_what_has_a_well_known_name_has_it_and_the_rest_keeps_its_own():
    assert [provider_name(name) for name in ("openai", "bedrock", "groq")] == ["openai", "aws.bedrock", "groq"]
    assert [operation_name(each) for each in (Operation.MESSAGES, Operation.STREAM_GENERATE, Operation.RERANK)] == [
        "chat",
        "generate_content",
        "rerank",
    ]
