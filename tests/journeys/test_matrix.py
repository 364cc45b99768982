"""Every dialect to every provider, asked through the vendors' own SDKs.

Four ways to ask, each target once, ten things to ask for. The README's table of support is rendered from here.
"""

from __future__ import annotations

import base64
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.journeys.callers import CALLERS, PNG, Wish

from weighbridge.core.codec import decode_json
from weighbridge.testing import (
    Fault,
    SimulatedAnthropic,
    SimulatedBedrock,
    SimulatedCohere,
    SimulatedGemini,
    SimulatedOllama,
    SimulatedOpenAI,
    running,
)

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession")

KEY = "wb-matrix-app-0123456789"
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TIME = {"type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"], "additionalProperties": False}
PERSON = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"], "additionalProperties": False}
PREFIX = "the same long prefix again and again " * 60

TARGETS = {
    "openai-chat": "chat/gpt-4o-mini",
    "openai-responses": "responses/gpt-4o-mini",
    "anthropic-messages": "anthropic/claude-sonnet-5",
    "gemini-generate": "gemini/gemini-2.5-flash",
    "bedrock-converse": "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "bedrock-invoke": "invoke/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "cohere-chat": "cohere/command-a-03-2025",
    "ollama-chat": "ollama/llama3.2",
}


@pytest.fixture(scope="module")
def upstreams():
    with ExitStack() as stack:
        started = {
            "openai": SimulatedOpenAI(),
            "anthropic": SimulatedAnthropic(),
            "gemini": SimulatedGemini(),
            "bedrock": SimulatedBedrock(),
            "cohere": SimulatedCohere(),
            "ollama": SimulatedOllama(),
        }
        yield SimpleNamespace(**{name: stack.enter_context(running(server)) for name, server in started.items()})


@pytest.fixture(scope="module")
def gateway(upstreams, tmp_path_factory):
    from tests.journeys.conftest import GatewayProcess

    def entry(server, **fields):
        keys = {"api_key": server.keys[0]} if server.keys else {}
        return {"base_url": server.base_url} | keys | fields

    config = {
        "access_log": {"format": "json"},
        "providers": {
            "chat": entry(upstreams.openai, type="openai", formats=["openai-chat"]),
            "responses": entry(upstreams.openai, type="openai", formats=["openai-responses"]),
            "anthropic": entry(upstreams.anthropic),
            "gemini": entry(upstreams.gemini, formats=["gemini-generate"]),
            "bedrock": entry(upstreams.bedrock, formats=["bedrock-converse"]),
            "invoke": {
                "type": "bedrock",
                "base_urls": {"bedrock": upstreams.bedrock.base_url, "anthropic": upstreams.bedrock.base_url},
                "api_key": upstreams.bedrock.keys[0],
                "formats": ["anthropic-messages"],
            },
            "cohere": entry(upstreams.cohere, formats=["cohere-chat"]),
            "ollama": {
                "base_urls": {"ollama": upstreams.ollama.base_url},
                "api_key": upstreams.ollama.keys[0],
                "formats": ["ollama-chat"],
            },
        },
        "keys": [{"name": "matrix", "key": KEY}],
    }
    process = GatewayProcess(tmp_path_factory.mktemp("matrix"), config).start()
    yield process
    process.stop()


@pytest.fixture(scope="module", params=list(CALLERS))
def caller(request, gateway):
    made = CALLERS[request.param](gateway.base_url, KEY)
    yield made
    made.close()


@pytest.fixture(params=list(TARGETS))
def target(request, upstreams):
    name = request.param
    model = TARGETS[name]
    provider = model.partition("/")[0]
    server = getattr(upstreams, {"chat": "openai", "responses": "openai", "invoke": "bedrock"}.get(provider, provider))
    before = len(server.journal.violations)
    yield SimpleNamespace(name=name, model=model, server=server, sent=lambda: server.journal.last.request.body)
    server.faults.clear()
    assert server.journal.violations[before:] == []


def finished_well(answer):
    return answer.finish in {"stop", "end_turn", "completed", "STOP"}


@pytest.mark.parametrize("stream", [False, True])
def test_text_arrives_with_its_end_and_its_usage(caller, target, stream):
    answer = caller.ask(Wish(target.model, "one two three four", stream=stream, system="Repeat."))
    assert answer.text == "one two three four"
    assert finished_well(answer)
    assert answer.input_tokens > 0 < answer.output_tokens
    if stream:
        assert answer.pieces > 1


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_is_cut_says_so(caller, target, stream):
    answer = caller.ask(Wish(target.model, "a rather long text that is cut " * 20, stream=stream, max_tokens=16))
    assert answer.finish in {"length", "max_tokens", "max_output_tokens", "MAX_TOKENS"}


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_is_called_with_its_arguments(caller, target, stream):
    answer = caller.ask(Wish(target.model, "call get_weather", stream=stream, tools={"get_weather": WEATHER}))
    assert [(name, arguments) for _, name, arguments in answer.calls] == [("get_weather", {"city": "call get_weather"})]
    assert answer.finish in {"tool_calls", "tool_use", "completed", "STOP"}


@pytest.mark.parametrize("stream", [False, True])
def test_tools_are_called_in_parallel(caller, target, stream):
    tools = {"get_weather": WEATHER, "get_time": TIME}
    answer = caller.ask(Wish(target.model, "call get_weather and call get_time", stream=stream, tools=tools))
    assert [name for _, name, _ in answer.calls] == ["get_weather", "get_time"]
    ids = [call_id for call_id, _, _ in answer.calls]
    assert len(set(ids)) == len(ids) or ids == ["", ""]


@pytest.mark.parametrize("stream", [False, True])
def test_results_of_tools_reach_the_model(caller, target, stream):
    tools = {"get_weather": WEATHER, "get_time": TIME}
    text = "call get_weather and call get_time"
    first = caller.ask(Wish(target.model, text, tools=tools))
    results = [(call_id, name, f"result of {name}") for call_id, name, _ in first.calls]
    earlier = [caller.user(text), *first.history]
    second = caller.ask(Wish(target.model, "", stream=stream, tools=tools, earlier=earlier, results=results))
    assert "result of get_time" in second.text
    assert b"result of get_weather" in target.sent()


@pytest.mark.parametrize("stream", [False, True])
def test_structured_output_satisfies_its_schema(caller, target, stream):
    answer = caller.ask(Wish(target.model, "Ada", stream=stream, schema=PERSON))
    assert decode_json(answer.text.encode()) == {"name": "Ada"}


def test_a_picture_reaches_the_model(caller, target):
    answer = caller.ask(Wish(target.model, "what is it", image=True))
    assert answer.text == "what is it"
    # Google's SDK writes the URL-safe alphabet, which is forwarded to Google as it came.
    assert base64.b64encode(PNG) in target.sent() or base64.urlsafe_b64encode(PNG) in target.sent()


# Who shows thinking to whom: Claude to everybody who lets it think; OpenAI and Gemini only where it is asked for.
CLAUDES = {"anthropic-messages", "bedrock-converse", "bedrock-invoke"}
SHOWN = {
    "openai-chat": CLAUDES,
    "openai-responses": CLAUDES | {"openai-responses", "gemini-generate"},
    "anthropic-messages": CLAUDES | {"gemini-generate"},
    "gemini-generate": CLAUDES | {"openai-responses", "gemini-generate"},
}


@pytest.mark.parametrize("stream", [False, True])
def test_reasoning_is_shown_and_survives_the_next_turn(caller, target, stream):
    tools = {"get_weather": WEATHER}
    first = caller.ask(Wish(target.model, "call get_weather", stream=stream, tools=tools, thinks=True))
    if target.name in SHOWN[caller.name]:
        assert first.thinking
    call_id, name, _ = first.calls[0]
    earlier = [caller.user("call get_weather"), *first.history]
    wish = Wish(target.model, "", tools=tools, thinks=True, earlier=earlier, results=[(call_id, name, "sunny")])
    second = caller.ask(wish)
    assert "sunny" in second.text
    sealed = sealed_by(target)
    if sealed:
        assert sealed in target.sent(), "what the vendor sealed did not come back to it"


def sealed_by(target):
    """The opaque text of the first of the last two replies, as it has to come back."""
    return sealed_in(target.server.journal.entries[-2])


def sealed_in(entry):
    reply = entry.reply.body
    for mark in (b'"encrypted_content":"', b'"signature":"', b'"thoughtSignature":"'):
        place = reply.replace(b'": "', b'":"').rfind(mark)
        if place >= 0:
            return reply.replace(b'": "', b'":"')[place + len(mark) :].partition(b'"')[0]
    return b""


def test_a_cached_prefix_is_cached(caller, target):
    wish = Wish(target.model, "short", cached_prefix=f"{caller.name} {target.name} {PREFIX}")
    caller.ask(wish)
    answer = caller.ask(wish)
    if target.name == "anthropic-messages" and caller.name in {"openai-chat", "anthropic-messages"}:
        assert answer.cached_tokens > 0
        assert b'"cache_control"' in target.sent()
    if target.name.startswith("openai") and answer.cached_tokens:
        assert answer.cached_tokens <= answer.input_tokens


@pytest.mark.parametrize(
    ("status", "kind"), [(400, "invalid"), (404, "not_found"), (429, "rate"), (500, "server"), (503, "server"), (529, "server")]
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_error_raises_the_callers_own_exception(caller, target, status, kind, stream):
    target.server.faults.add(Fault.status(status, message="what the provider says"), times=1)
    with pytest.raises(caller.error_kinds[kind], match="what the provider says"):
        caller.ask(Wish(target.model, "hello", stream=stream))


def test_a_stream_that_dies_raises_and_never_ends_well(caller, target):
    target.server.faults.add(Fault.cut_after(chunks=3), times=1)
    with pytest.raises(Exception):  # noqa: B017 - each SDK has its own, and httpx one for a connection that is cut
        caller.ask(Wish(target.model, "one two three four five six seven", stream=True))


def test_the_record_counts_what_the_provider_bills(caller, target, gateway):
    answer = caller.ask(Wish(target.model, "one two three", stream=True))
    target.server.journal.wait_until(lambda journal: journal.finished == len(journal))
    billed = target.server.invoice().items[-1].usage
    usage = gateway.record_of(answer.request_id)["usage"]
    assert (usage["input"] + usage["cache_read"] + usage["cache_write_5m"] + usage["cache_write_1h"], usage["output"]) == (
        billed.total_input,
        billed.total_output,
    )


# --- agents


AGENTS = {
    "anthropic-messages": {"openai-chat", "openai-responses", "gemini-generate"},
    "openai-responses": {"anthropic-messages", "bedrock-converse"},
}
"""Where the agents of vendors' command lines are sent to other vendors' models: for ten turns, elsewhere for four."""


@pytest.mark.parametrize("stream", [False, True])
def test_an_agent_with_tools_and_thinking_goes_on_turn_after_turn(caller, target, stream):
    """Each turn: a call, its result, an answer. Every turn before goes back as the SDK had it, and every seal to its vendor."""
    tools, earlier, seals = {"get_weather": WEATHER}, [], set()
    n_turns = 10 if target.name in AGENTS.get(caller.name, ()) else 4
    for turn in range(n_turns):
        text = f"turn {turn}: call get_weather"
        asked = caller.ask(Wish(target.model, text, stream=stream, tools=tools, thinks=True, earlier=list(earlier)))
        (call,) = asked.calls
        assert call[2] == {"city": text}
        if seal := sealed_in(target.server.journal.entries[-1]):
            seals.add(seal)
        earlier += [caller.user(text), *asked.history]
        results = [(call[0], call[1], f"sunny {turn}")]
        wish = Wish(target.model, "", stream=stream, tools=tools, thinks=True, earlier=list(earlier), results=results)
        answered = caller.ask(wish)
        assert f"sunny {turn}" in answered.text
        earlier += [*caller.results(results), *answered.history]
    sent = target.sent()
    assert all(f"sunny {turn}".encode() in sent for turn in range(n_turns))
    # On Bedrock's invoke the events are wrapped, and not looked into here.
    assert seals or target.name not in CLAUDES - {"bedrock-invoke"}
    assert [seal for seal in seals if seal not in sent] == []


# --- the table of support

ROOT = Path(__file__).resolve().parents[2]
TITLES = {
    "openai-chat": "OpenAI chat",
    "openai-responses": "OpenAI Responses",
    "anthropic-messages": "Anthropic",
    "gemini-generate": "Gemini",
    "bedrock-converse": "Bedrock Converse",
    "bedrock-invoke": "Claude on Bedrock",
    "cohere-chat": "Cohere",
    "ollama-chat": "Ollama",
}


def support_table():
    """As the README shows it: every cell is asked for by every test of this file."""
    header = "| asked in ↓, answered by → | " + " | ".join(TITLES[target] for target in TARGETS) + " |"
    rows = []
    for caller in CALLERS:
        cells = ["=" if caller == target else "✓" if target in SHOWN[caller] else "✓ ¹" for target in TARGETS]
        rows.append(f"| {TITLES[caller]} | " + " | ".join(cells) + " |")
    return "\n".join([header, "|---" * (len(TARGETS) + 1) + "|", *rows])


def test_the_readme_shows_what_is_tested_here():
    """To write it anew, put what this prints between the marks."""
    readme = (ROOT / "README.md").read_text()
    shown = readme.partition("<!-- support -->\n")[2].partition("\n<!-- end of support -->")[0]
    assert shown == support_table(), support_table()
