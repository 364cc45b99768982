from __future__ import annotations

import pytest

from weighbridge.core.codec import encode_json
from weighbridge.core.terms import NO_USAGE, Provenance, Usage, UsageApart
from weighbridge.wire.openai_responses.reply_reader import read_reply
from weighbridge.wire.reply_facts import ReplyFacts, read_response
from weighbridge.wire.response_tools import (
    ResponseTool,
    SearchUsage,
    Step,
    ToolUsage,
    most_of_a_picture,
    tokens_of_picture,
    with_tools,
)
from weighbridge.wire.usage import OpenAiDetails, OpenAiUsage

SEARCHES = [
    Step("web_search_call", "search"),
    Step("web_search_call", "open_page"),
    Step("web_search_call", "find_in_page"),
    Step("web_search_call"),
    Step("x_search_call"),
    Step("file_search_call"),
    Step("message"),
]
PICTURE = Step("image_generation_call", status="completed", quality="medium", size="1024x1024")
MADE = ToolUsage(
    OpenAiUsage(
        input_tokens=40,
        input_tokens_details=OpenAiDetails(image_tokens=30),
        output_tokens=1_100,
        output_tokens_details=OpenAiDetails(image_tokens=1_056),
        total_tokens=1_140,
    ),
    SearchUsage(0),
)


def test_searches_of_the_web_and_of_files_are_billed_and_no_pages_that_were_opened():
    assert with_tools(Usage(9), None, SEARCHES, ()) == (Usage(9, tool_calls=3, file_searches=1), ())
    assert with_tools(Usage(9, tool_calls=5), None, SEARCHES, ())[0].tool_calls == 5  # as the provider says itself
    assert with_tools(NO_USAGE, None, SEARCHES, ()) == (NO_USAGE, ())


def test_what_the_reply_says_of_its_billed_searches_goes_before_what_it_shows():
    told = ToolUsage(web_search=SearchUsage(1))
    assert with_tools(Usage(9), told, SEARCHES, ())[0] == Usage(9, tool_calls=1, file_searches=1)
    assert with_tools(Usage(9), ToolUsage(web_search=SearchUsage(0)), SEARCHES[:1], ())[0] == Usage(9)


def test_pictures_are_counted_beside_the_answer_as_another_models():
    made = Usage(10, input_image=30, output=44, output_image=1_056)
    usage, apart = with_tools(
        Usage(9, output=5), MADE, [PICTURE], [ResponseTool("function"), ResponseTool("image_generation", "gpt-image-2")]
    )
    assert apart == (UsageApart("gpt-image-2", made),)
    assert (usage.total_input, usage.total_output) == (49, 1_105)
    assert usage.provenance is Provenance.REPORTED
    assert with_tools(Usage(9), MADE, [PICTURE], ())[1][0].model == "gpt-image-1"


def test_pictures_that_nobody_counted_are_estimated_by_their_size():
    usage, apart = with_tools(Usage(9), None, [PICTURE, PICTURE, PICTURE._replace(status="failed")], ())
    assert apart == (UsageApart("gpt-image-1", Usage(output_image=2 * 1_056, provenance=Provenance.ESTIMATED)),)
    assert usage.provenance is Provenance.ESTIMATED


def test_pictures_within_a_cost_that_was_told_are_not_charged_again():
    told = Usage(9, told_nanousd=700)
    assert with_tools(told, None, [PICTURE], ()) == (told, ())


def test_a_reply_without_tools_is_as_it_was():
    usage = Usage(9)
    assert with_tools(usage, None, [Step("message")], ()) == (usage, ())
    assert with_tools(usage, ToolUsage(OpenAiUsage(output_tokens=0), SearchUsage(0)), (), ()) == (usage, ())


@pytest.mark.parametrize(
    ("quality", "size", "tokens"),
    [
        ("low", "1024x1024", 272),
        ("high", "1536x1024", 6_208),
        ("medium", "8x8", 1_584),
        ("auto", "1024x1024", 4_160),
        (None, None, 6_240),
    ],
)
def test_a_picture_has_the_tokens_of_its_size_or_those_of_the_largest(quality, size, tokens):
    assert tokens_of_picture(quality, size) == tokens


def test_a_picture_of_a_model_whose_sizes_are_not_known_may_be_larger():
    known = most_of_a_picture("gpt-image-1", "low", "1024x1024")
    assert known < most_of_a_picture("gpt-image-1") < most_of_a_picture("gpt-image-2", "low", "1024x1024")


def test_forwarded_and_translated_replies_count_them_alike():
    item = {
        "type": "image_generation_call",
        "id": "ig",
        "status": "completed",
        "quality": "low",
        "size": "1024x1536",
        "result": "AA==",
    }
    reply = {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "model": "gpt-5",
        "output": [item],
        "tools": [{"type": "image_generation", "model": "gpt-image-1-mini"}],
        "usage": {"input_tokens": 9, "output_tokens": 5, "total_tokens": 14},
    }
    facts = ReplyFacts()
    read_response(facts, encode_json(reply))
    assert facts.apart == (UsageApart("gpt-image-1-mini", Usage(output_image=408, provenance=Provenance.ESTIMATED)),)
    translated = read_reply(encode_json(reply))
    assert (translated.usage, translated.apart) == (facts.usage, facts.apart)
