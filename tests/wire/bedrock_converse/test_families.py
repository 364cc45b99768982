"""What models differ in, by their ids."""

from __future__ import annotations

import pytest

from weighbridge.wire.bedrock_converse.families import family_of


@pytest.mark.parametrize(
    ("model", "thinking"),
    [
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude"),
        ("arn:aws:bedrock:us-east-1:000000000000:inference-profile/eu.anthropic.claude-3-7-sonnet-20250219-v1:0", "claude"),
        ("us.amazon.nova-2-lite-v1:0", "nova"),
        ("amazon.nova-micro-v1:0", "none"),
        ("openai.gpt-oss-120b-1:0", "reasoning_effort"),
        ("qwen.qwen3-32b-v1:0", "reasoning_config"),
        ("us.meta.llama4-maverick-17b-instruct-v1:0", "none"),
    ],
)
def test_the_id_tells_how_a_model_is_made_to_think(model, thinking):
    assert family_of(model).thinking == thinking


def test_of_an_application_profile_nothing_is_known_and_nothing_forbidden():
    family = family_of("arn:aws:bedrock:us-east-1:000000000000:application-inference-profile/1arbu5hu2sjr")
    assert family.takes_reasoning
    assert family.caches
    assert not family.top_k
