from __future__ import annotations

import msgspec
import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import SpanKind, StatusCode
from tests.storage.test_ledger_store import attempt, record

from weighbridge.core.terms import NO_USAGE, Usage
from weighbridge.telemetry.spans import is_sampled, parent_of, spans_of

HERE = Resource.create({"service.name": "test"})
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def with_trace(text):
    return record(1, trace=text)


def test_a_request_is_a_span_and_its_attempts_are_below_it():
    failed = msgspec.structs.replace(attempt(0, usage=NO_USAGE), status=529, error="provider_overloaded")
    request, first, second = spans_of(record(1, failed, attempt(1_500_000_000)), HERE)
    assert (request.name, request.kind, request.parent) == ("chat smart", SpanKind.SERVER, None)
    assert [span.kind for span in (first, second)] == [SpanKind.CLIENT] * 2
    assert {span.parent.span_id for span in (first, second)} == {request.context.span_id}
    assert {span.context.trace_id for span in (first, second)} == {request.context.trace_id}
    assert len({span.context.span_id for span in (request, first, second)}) == 3
    assert first.status.status_code is StatusCode.ERROR
    assert first.attributes["error.type"] == "provider_overloaded"
    assert second.attributes["weighbridge.cost_usd"] == 1.5
    assert second.end_time >= second.start_time >= request.start_time


def test_attributes_are_those_of_the_conventions():
    usage = Usage(input=3, cache_read=4, cache_write_5m=5, output=7, reasoning=2)
    whole = record(1, attempt(5, usage=usage), is_stream=True, first_byte_ns=9, finish_reason="stop", session="run-1", status=200)
    request, one = spans_of(whole, HERE)
    assert request.attributes["gen_ai.operation.name"] == "chat"
    assert request.attributes["gen_ai.conversation.id"] == "run-1"
    assert request.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert request.attributes["http.response.status_code"] == 200
    assert one.attributes["gen_ai.provider.name"] == "openai"
    told = {name.removeprefix("gen_ai.usage."): value for name, value in one.attributes.items() if name.startswith("gen_ai.usage.")}
    assert told["input_tokens"] == usage.total_input  # with what the cache had
    assert (told["cache_read.input_tokens"], told["cache_creation.input_tokens"]) == (4, 5)
    assert (told["output_tokens"], told["reasoning.output_tokens"]) == (usage.total_output, 2)


def test_a_callers_own_mistake_is_no_error_of_the_span():
    request = next(spans_of(record(1, attempt(0), status=400, error="invalid_request"), HERE))
    assert request.status.status_code is StatusCode.UNSET
    assert request.attributes["error.type"] == "invalid_request"


def test_a_callers_trace_goes_on():
    request = next(spans_of(with_trace(f"00-{TRACE}-{SPAN}-01"), HERE))
    assert (f"{request.context.trace_id:032x}", f"{request.parent.span_id:016x}") == (TRACE, SPAN)
    assert request.parent.is_remote


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE.upper()}-{SPAN}-01", f"00-{TRACE}"],
)
def test_what_is_no_trace_begins_one(text):
    assert parent_of(with_trace(text)) is None
    assert next(spans_of(with_trace(text), HERE)).parent is None


def test_a_caller_says_whether_it_is_sampled_and_chance_says_it_for_the_others():
    assert is_sampled(with_trace(f"00-{TRACE}-{SPAN}-01"), 0)
    assert not is_sampled(with_trace(f"00-{TRACE}-{SPAN}-00"), 1_000_000)
    n = sum(is_sampled(record(number), 250_000) for number in range(2_000))
    assert 400 < n < 600
    assert all(is_sampled(record(number), 1_000_000) for number in range(100))
    assert not any(is_sampled(record(number), 0) for number in range(100))


def test_the_same_request_is_the_same_span_whenever_it_is_sent():
    first, again = ([span.context.span_id for span in spans_of(record(1), HERE)] for _ in range(2))
    assert first == again
