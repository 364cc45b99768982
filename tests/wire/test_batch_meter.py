from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.terms import NO_USAGE, Dialect, Endpoint, Operation, Provenance, Usage, UsageApart
from weighbridge.wire.meter import meter_for

OPENAI = Endpoint(Dialect.OPENAI, Operation.BATCHES_STORED)
MADE = Endpoint(Dialect.ANTHROPIC, Operation.MESSAGE_BATCHES)
RESULTS = Endpoint(Dialect.ANTHROPIC, Operation.MESSAGE_BATCHES_STORED)
USAGE = {"input_tokens": 1_000, "input_tokens_details": {"cached_tokens": 100}, "output_tokens": 50, "total_tokens": 1_050}


def metered(endpoint, *pieces, kind=b"application/json", coding=b""):
    meter = meter_for(endpoint, content_type=kind, content_encoding=coding)
    for piece in pieces:
        meter.feed(piece)
    meter.finish()
    meter.finish()
    return meter


def batch(status, **fields):
    told = {"id": "batch_1", "object": "batch", "status": status, "model": "gpt-4.1"}
    return metered(OPENAI, json.dumps(told | fields).encode())


def line(usage, model="claude-4", kind="succeeded"):
    message = {"message": {"id": "msg_1", "model": model, "usage": usage}} if usage is not None else {}
    return json.dumps({"custom_id": "a", "result": {"type": kind, **message}}).encode() + b"\n"


def test_openais_batch_tells_what_its_requests_took_together_once_it_is_over():
    meter = batch("completed", usage=USAGE, request_counts={"total": 5, "completed": 4, "failed": 1})
    counts = Usage(900, 100, output=50)
    assert (meter.usage, meter.apart) == (counts, (UsageApart("", counts, 4),))
    assert (meter.response_id, meter.served_model, meter.service_tier, meter.finish_reason) == (
        "batch_1",
        "gpt-4.1",
        "batch",
        "completed",
    )


@pytest.mark.parametrize("status", ["validating", "in_progress", "finalizing", "cancelling"])
def test_a_batch_that_runs_has_not_said_what_it_takes(status):
    meter = batch(status, usage={**USAGE, "input_tokens": 1})
    assert (meter.is_background, meter.finish_reason, meter.usage) == (True, None, NO_USAGE)


def test_a_list_of_batches_is_no_batch():
    assert not metered(OPENAI, b'{"object":"list","data":[]}').is_background


def test_anthropics_batch_goes_on_when_it_is_made():
    meter = metered(MADE, b'{"id":"msgbatch_1","type":"message_batch","processing_status":"in_progress"}')
    assert (meter.is_background, meter.response_id, meter.finish_reason) == (True, "msgbatch_1", None)


def test_results_are_added_up_by_model_and_long_prompts_by_themselves():
    lines = [
        line({"input_tokens": 10, "output_tokens": 5}),
        line({"input_tokens": 20, "cache_read_input_tokens": 30, "output_tokens": 6}),
        line({"input_tokens": 300_000, "output_tokens": 1}),
        line({"input_tokens": 1, "output_tokens": 2}, "claude-small"),
        line(None, kind="errored"),
    ]
    meter = metered(RESULTS, *lines, kind=b"application/x-jsonl")
    assert meter.usage == Usage(300_031, 30, output=14)
    assert meter.served_model == "claude-4"
    assert meter.apart == (
        UsageApart("", Usage(30, 30, output=11), 2),
        UsageApart("", Usage(300_000, output=1), 1),
        UsageApart("claude-small", Usage(1, output=2), 1),
    )


@given(st.data())
def test_results_are_the_same_however_they_are_cut(data):
    whole = b"".join(line({"input_tokens": n, "output_tokens": 1}) for n in range(1, 6)).rstrip()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert metered(RESULTS, *pieces).usage == Usage(15, output=5)
    assert metered(RESULTS, gzip.compress(whole), coding=b"gzip").usage == Usage(15, output=5)


def test_results_of_which_none_succeeded_took_nothing():
    meter = metered(RESULTS, line(None, kind="errored") + line(None, kind="expired"))
    assert (meter.is_background, meter.finish_reason) == (True, "ended")
    assert meter.usage == Usage(provenance=Provenance.DERIVED)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json\n",
        b'{"id":"msgbatch_1","type":"message_batch","processing_status":"ended"}',
        b'{"data":[{"id":"msgbatch_1","type":"message_batch"}],"has_more":false}',
        line({"input_tokens": 5, "output_tokens": 5}) + line({}),
        line({"input_tokens": 5, "output_tokens": 5}) + b'{"custom_id":"b","result":{"type"\n',
    ],
)
def test_what_is_not_all_of_the_results_says_nothing(body):
    meter = metered(RESULTS, body)
    assert not meter.is_background
    assert meter.usage is NO_USAGE


def test_a_line_that_is_too_long_to_be_read_may_have_taken_something():
    assert not metered(RESULTS, line({"input_tokens": 5, "output_tokens": 5}), b"x" * 9_000_000, b"\n").is_background
