"""Answers apart from any dialect."""

import pytest

from weighbridge.providers.demo.exchange import DemoError
from weighbridge.providers.demo.generate import NOTHING_TO_REPEAT, Finish, Prompt, Tool, ToolChoice, answer
from weighbridge.providers.demo.models import MODELS


def ask(model="echo", text="Hello, demo!", **options):
    return answer(Prompt(model=MODELS[model], user_text=text, **options))


def test_echo_without_a_text_says_so():
    assert ask(text="").text == NOTHING_TO_REPEAT


def test_no_answer_is_longer_than_the_models_limit():
    given = ask(text="a" * 100_000, max_tokens=1_000_000)
    assert (given.tokens, given.finish) == (8192, Finish.LENGTH)


def test_thoughts_count_against_the_limit():
    given = ask(model="think", max_tokens=5)
    assert (len(given.thoughts), given.pieces, given.finish) == (5, (), Finish.LENGTH)


def test_a_text_that_just_fits_is_not_cut():
    assert ask(max_tokens=3).finish is Finish.STOP


def test_stop_sequence_right_at_the_limit_wins():
    assert ask(text="abcdSTOPx", max_tokens=1, stops=("STOP",)).stop_sequence == "STOP"
    assert ask(text="abcdeSTOP", max_tokens=1, stops=("STOP",)).finish is Finish.LENGTH


def test_tool_calls_that_do_not_fit_are_left_out_whole():
    tools = (Tool("a", None), Tool("b", None))
    given = ask(tools=tools, tool_choice=ToolChoice.REQUIRED, max_tokens=3)
    assert ([call.name for call in given.calls], given.finish) == (["a"], Finish.LENGTH)


def test_arguments_are_an_object_whatever_the_schema_says():
    given = ask(tools=(Tool("a", {"type": "string"}),), tool_choice=ToolChoice.REQUIRED)
    assert given.calls[0].arguments == "{}"


@pytest.mark.parametrize(("model", "status"), [("error", 500), ("embed", 400)])
def test_models_that_give_no_text_refuse(model, status):
    with pytest.raises(DemoError) as caught:
        ask(model=model)
    assert caught.value.status == status
