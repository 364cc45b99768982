"""What real providers have answered, and real callers asked, read by the formats: `../shared/recordings` beside the checkout."""

from __future__ import annotations

import csv
import json
from base64 import b64decode
from functools import cache
from pathlib import Path

import pytest

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import Endpoint, Operation, Provenance, WireFormat
from weighbridge.wire.aws_unwrap import InvokeUnwrapper
from weighbridge.wire.codecs import Framing, RequestContext, TargetContext
from weighbridge.wire.event_meter import EventMeter
from weighbridge.wire.events import Ended, Failed, Finished
from weighbridge.wire.fold import Folder, fold
from weighbridge.wire.meter import meter_for
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.translate import DIALECT_OF, INBOUND, OUTBOUND

RECORDINGS = Path(__file__).resolve().parents[3] / "shared" / "recordings"
pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are no part of the project and are not here")

F = WireFormat
FORMATS = {
    "openai-chat": F.OPENAI_CHAT,
    "openai-responses": F.OPENAI_RESPONSES,
    "anthropic-messages": F.ANTHROPIC_MESSAGES,
    "gemini-generate": F.GEMINI_GENERATE,
    "bedrock-converse": F.BEDROCK_CONVERSE,
    "cohere-v2-chat": F.COHERE_CHAT,
    "ollama-native-chat": F.OLLAMA_CHAT,
}

# Recordings whose usage differs from the table's on purpose: the file, the column, and why.
USAGE_EXCEPTIONS = {
    ("azure-ai-foundry/003", "cache_read_tokens"): "more cached tokens than prompt tokens: cut to the prompt, and DERIVED",
    ("azure-ai-foundry/004", "cache_read_tokens"): "the same",
    ("azure-ai-foundry/009", "cache_read_tokens"): "the same",
    ("azure-ai-foundry/015", "cache_read_tokens"): "the same",
    ("openai/013", "reasoning_tokens"): "all output is audio, yet some of it is said to be reasoning: cut, and DERIVED",
    ("anthropic/107", "input_tokens"): "three streams in one file: the first is read, up to its end",
    ("anthropic/107", "output_tokens"): "the same",
    ("azure-openai/018", "output_tokens"): "a picture that another model made for the response, which its totals leave out",
    ("azure-openai/019", "output_tokens"): "the same",
    ("openai/203", "output_tokens"): "the same",
}
COLUMNS = {
    "input_tokens": lambda usage: usage.total_input,
    "output_tokens": lambda usage: usage.total_output,
    "cache_read_tokens": lambda usage: usage.cache_read,
    "reasoning_tokens": lambda usage: usage.reasoning,
}


@cache
def rows():
    with (RECORDINGS / "index.csv").open() as index:
        return [row for row in csv.DictReader(index) if row["wire"] in FORMATS]


@cache
def expected():
    with (RECORDINGS / "expected_usage.csv").open() as table:
        return {row["path"]: row for row in csv.DictReader(table)}


def exchange(row):
    return decode_json((RECORDINGS / row["path"]).read_bytes())


def stream_of(response):
    """The bytes of a recorded stream; None for a whole reply."""
    if "sse" in response:
        return response["sse"].encode()
    if "ndjson" in response:
        return response["ndjson"].encode()
    if "base64" in response:
        return b64decode(response["base64"])
    if "chunks" in response:
        return b"".join(b"data: " + encode_json(chunk) + b"\n\n" for chunk in response["chunks"])
    return None


def read_events(target, data, size):
    reader = OUTBOUND[target].event_reader()
    events = [event for at in range(0, len(data), size) for event in reader.feed(data[at : at + size])]
    return [*events, *reader.finish()], reader


def is_good(row):
    return row["status"] == "200" and row["response_kind"] != "text"


@pytest.mark.parametrize("wire", list(FORMATS))
def test_every_recorded_reply_is_read_with_the_usage_that_its_provider_said(wire):
    wrong, read = [], 0
    for row in rows():
        if row["wire"] != wire or not is_good(row):
            continue
        response = exchange(row)["response"]
        try:
            reply = read_recorded(FORMATS[wire], response)
        except GatewayError as error:
            wrong.append(f"{row['path']}: {error} {error.detail}")
            continue
        if reply is None:
            continue
        read += 1
        wrong += differing_usage(row["path"], reply.usage)
    assert not wrong, "\n".join(wrong)
    assert read >= 3


def read_recorded(target, response):
    """The reply, or None where it is an error inside of a 200, or no answer at all."""
    data = stream_of(response)
    if data is None:
        body = response.get("body")
        if not isinstance(body, dict) or body.get("error"):
            return None
        return OUTBOUND[target].read_reply(encode_json(body))
    events, _ = read_events(target, data, len(data))
    folder = Folder()
    for event in events:
        folder.take(event)
    if folder.failed is not None:
        return None
    return folder.reply


def differing_usage(path, usage):
    told = expected().get(path)
    if told is None:
        return []
    name = "/".join(path.split("/")[-2:])[: path.index("-", path.index("/"))]
    if usage.provenance is Provenance.UNKNOWN:
        return [f"{path}: nothing counted, expected {told['input_tokens']}"] if told["input_tokens"] else []
    return [
        f"{path}: {column} {count(usage)}, expected {told[column]}"
        for column, count in COLUMNS.items()
        if told.get(column) and count(usage) != billed(told, column) and (name, column) not in USAGE_EXCEPTIONS
    ]


def test_what_a_provider_says_that_it_charges_is_what_is_charged():
    n_told = 0
    for row in rows():
        told = expected().get(row["path"], {}).get("provider_reported_cost_usd")
        if not is_good(row) or not told or not float(told):
            continue
        reply = read_recorded(FORMATS[row["wire"]], exchange(row)["response"])
        assert abs(reply.usage.told_nanousd - float(told) * 1e9) <= 0.5, row["path"]
        n_told += 1
    assert n_told > 20


def billed(row, column):
    """What the totals say, and what Anthropic bills beside them: runs that summed a context up, and advice."""
    left_out = json.loads(row["other_units"] or "{}").get("iterations", ())
    key = {"input_tokens": "in", "output_tokens": "out"}.get(column)
    beside = sum(run.get(key, 0) for run in left_out if run["type"] in ("compaction", "advisor_message"))
    return int(row[column]) + beside


@pytest.mark.parametrize("wire", list(FORMATS))
@pytest.mark.parametrize("size", [1, 61, 4096])
def test_every_split_of_a_recorded_stream_gives_the_same_reply(wire, size):
    for row in rows():
        if row["wire"] != wire or not is_good(row):
            continue
        data = stream_of(exchange(row)["response"])
        if data is None or (size == 1 and len(data) > 60_000):
            continue
        whole, _ = read_events(FORMATS[wire], data, len(data))
        pieces, _ = read_events(FORMATS[wire], data, size)
        assert [e for e in pieces if type(e).__name__ != "KeepAlive"] == [e for e in whole if type(e).__name__ != "KeepAlive"], row[
            "path"
        ]


@pytest.mark.parametrize("wire", list(FORMATS))
def test_a_recorded_stream_that_is_cut_anywhere_before_its_end_never_ends_well(wire):
    for row in rows():
        if row["wire"] != wire or not is_good(row):
            continue
        data = stream_of(exchange(row)["response"])
        if data is None or len(data) > 30_000:
            continue
        events, _ = read_events(FORMATS[wire], data, len(data))
        if not any(isinstance(event, Finished) for event in events):
            continue
        # Up to the event that finishes the answer, nothing may look like an end.
        for cut in range(0, len(data), max(1, len(data) // 40)):
            try:
                part, reader = read_events(FORMATS[wire], data[:cut], max(1, cut))
            except GatewayError:
                continue
            has_finished = any(isinstance(event, (Finished, Failed)) for event in part)
            assert has_finished or not reader.is_ended, (row["path"], cut)
            assert has_finished or not any(isinstance(event, Ended) for event in part), (row["path"], cut)


ASKED_IN = {
    "openai-chat": F.OPENAI_CHAT,
    "openai-completions": F.OPENAI_COMPLETIONS,
    "openai-responses": F.OPENAI_RESPONSES,
    "anthropic-messages": F.ANTHROPIC_MESSAGES,
    "gemini-generate": F.GEMINI_GENERATE,
}


@pytest.mark.parametrize("wire", list(ASKED_IN))
@pytest.mark.parametrize("target", list(OUTBOUND))
def test_every_recorded_request_translates_with_a_receipt(wire, target):
    """A request is written, or refused with the field at fault: never lost, never a failure of the gateway's own."""
    with (RECORDINGS / "index.csv").open() as index:
        asked = [
            row for row in csv.DictReader(index) if row["wire"] == wire and row["has_request"] == "yes" and row["status"] == "200"
        ]
    written = 0
    refusals = []
    for row in asked:
        body = exchange(row)["request"]["body"]
        if not isinstance(body, dict):
            continue
        receipt = Receipt()
        context = RequestContext(row["model"] or "m", stream=row["stream"] == "stream")
        try:
            conversation = INBOUND[ASKED_IN[wire]].read_request(encode_json(body), context, receipt)
            request = OUTBOUND[target].write_request(conversation, TargetContext("m"), receipt)
        except GatewayError as error:
            refusals.append((error.kind, row["path"]))
            continue
        assert isinstance(decode_json(request), dict)
        assert receipt.entries(conversation)
        written += 1
    assert all(kind is ErrorKind.INVALID_REQUEST for kind, _ in refusals), refusals
    # Of legacy completions some are asked with several prompts; elsewhere what is refused stays a rare exception.
    assert written >= 0.8 * len(asked) or wire == "openai-completions"


def test_claudes_frames_on_bedrock_hold_the_vendors_own_events():
    read = 0
    with (RECORDINGS / "index.csv").open() as index:
        invoked = [row for row in csv.DictReader(index) if row["wire"] == "bedrock-invoke" and row["response_kind"] == "base64"]
    for row in invoked:
        response = exchange(row)["response"]
        events = InvokeUnwrapper().feed(b64decode(response["base64"]))
        if b"message_start" not in events:
            continue
        told, reader = read_events(F.ANTHROPIC_MESSAGES, events, 1000)
        assert reader.is_ended
        assert not differing_usage(row["path"], fold(told).usage)
        read += 1
    assert read or not invoked


def test_frames_are_named_for_the_formats_that_have_them():
    assert OUTBOUND[F.BEDROCK_CONVERSE].framing is Framing.AWS
    assert OUTBOUND[F.OLLAMA_CHAT].framing is Framing.NDJSON
    assert OUTBOUND[F.OPENAI_CHAT].framing is Framing.SSE


OPERATIONS = {
    "openai-chat": Operation.CHAT,
    "openai-responses": Operation.RESPONSES,
    "anthropic-messages": Operation.MESSAGES,
    "gemini-generate": Operation.GENERATE,
}


@pytest.mark.parametrize("wire", list(OPERATIONS))
def test_a_recorded_reply_is_metered_alike_whether_it_is_translated_or_forwarded(wire):
    """Each fact that its price hangs on, and what the account names it by."""
    differing, read = [], 0
    for row in rows():
        if row["wire"] != wire or not is_good(row) or row["path"].startswith("anthropic/107-"):  # three streams in one file
            continue
        response = exchange(row)["response"]
        data = stream_of(response)
        if (data is None and not isinstance(response.get("body"), dict)) or "base64" in response:
            continue
        body = encode_json(response["body"]) if data is None else data
        forwarded, translated = forwarded_facts(wire, body, is_stream=data is not None), EventMeter()
        try:
            if data is None:
                translated.take_reply(OUTBOUND[FORMATS[wire]].read_reply(body))
            else:
                translated.take(read_events(FORMATS[wire], data, len(data))[0])
        except GatewayError:
            continue  # no reply: nothing is charged for
        translated.finish()
        if translated.stream_error is not None:
            continue
        read += 1
        for name in ("usage", "service_tier", "region", "apart", "served_model", "response_id", "finish_reason"):
            one, other = getattr(translated, name), getattr(forwarded, name)
            # Only a translation needs a reason where none was given, and its word for one that was sent as a number.
            if one != other and not (name == "finish_reason" and (other is None or other.isdigit())):
                differing.append(f"{row['path']}: {name} {one}, forwarded {other}")
    assert not differing, "\n".join(differing)
    assert read >= 3


def forwarded_facts(wire, body, *, is_stream):
    operation = Operation.STREAM_GENERATE if wire == "gemini-generate" and is_stream else OPERATIONS[wire]
    endpoint = Endpoint(DIALECT_OF[FORMATS[wire]], operation)
    kind = b"text/event-stream" if is_stream else b"application/json"
    meter = meter_for(endpoint, content_type=kind, content_encoding=b"")
    meter.feed(body)
    meter.finish()
    return meter
