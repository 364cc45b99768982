from __future__ import annotations

import csv
from base64 import b64decode
from functools import cache
from pathlib import Path
from statistics import median

import pytest

from weighbridge.control.tokenizer import Tokenizer, family_of
from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.ports import TextSeen, TokensSeen

RECORDINGS = Path(__file__).resolve().parents[3] / "shared" / "recordings"
recorded = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are no part of the project and are not here")
_HIDDEN = (
    "image",
    "input_audio",
    "inline",
    "input_file",
    '"file',
    "document",
    "video",
    "previous_response_id",
    "web_search",
    "mcp",
)
_RUNS = (
    "code_",
    "file_search",
    "computer",
    "google_search",
    "url_context",
    "bash",
    "text_editor",
    "memory",
    "tool_search",
    "compact",
)
"""What brings into a prompt what no text of the request shows, so that the gateway does not count it either."""


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer()


def seen(model="gpt-4o", asked=b"", written=b"", n_written=None):
    return TextSeen(model, asked, written, len(written) if n_written is None else n_written)


CHAT = encode_json({"model": "gpt-4o", "messages": [{"role": "user", "content": "Say this is a test!"}]})


def test_the_text_of_a_request_is_counted_with_what_stands_around_its_messages(tokenizer):
    assert tokenizer.counted(seen(asked=CHAT)).input == 6 + 4


def test_the_text_of_a_stream_is_counted_and_the_rest_reckoned_from_it(tokenizer):
    stream = b'data: {"choices":[{"delta":{"content":"This is a test."}}]}\n\n'
    assert tokenizer.counted(seen(written=stream)) == TokensSeen(None, 5)
    assert tokenizer.counted(seen(written=stream, n_written=10 * len(stream))).output == 50


def test_the_output_of_models_that_think_unseen_is_not_counted(tokenizer):
    stream = b'data: {"type":"response.output_text.delta","delta":"Hello"}\n\n'
    assert tokenizer.counted(seen("gpt-5", CHAT, stream)) == TokensSeen(10, None)


def test_what_has_no_text_in_it_is_not_counted(tokenizer):
    assert tokenizer.counted(seen(asked=b"{broken", written=b'{"bytes":"eyJ0"}')) == TokensSeen(None, None)


@pytest.mark.parametrize(
    ("model", "like"),
    [
        ("gpt-4", "gpt-3.5-turbo"),
        ("openai/gpt-4o-mini", "gpt-4.1"),
        ("us.anthropic.claude-sonnet-4-5-v1:0", "claude-3-haiku"),
        ("claude-opus-4-7", "claude-haiku-5-5"),
        ("gemini-3-pro", "gemini-2.5-flash"),
        ("mixtral-8x7b", "mistral-large"),
        ("o3", "gpt-6-sol"),
    ],
)
def test_models_of_one_vocabulary_are_one_family(model, like):
    assert family_of(model) is family_of(like)


async def test_without_the_library_nothing_is_told(monkeypatch):
    monkeypatch.setattr("weighbridge.control.tokenizer.has_library", lambda: False)
    assert await Tokenizer().count(seen(asked=CHAT)) is None


async def test_a_text_is_counted_off_the_event_loop():
    assert (await Tokenizer().count(seen(asked=CHAT))).input == 10


# --- against what providers have told ---------------------------------------------------------------------------


@cache
def exchanges():
    with (RECORDINGS / "expected_usage.csv").open() as table:
        return [(row, decode_json((RECORDINGS / row["path"]).read_bytes())) for row in csv.DictReader(table)]


def reply_bytes(response):
    if "sse" in response or "ndjson" in response:
        return response.get("sse", response.get("ndjson")).encode()
    if "base64" in response:
        return b64decode(response["base64"])
    return encode_json(response["body"]) if isinstance(response.get("body"), dict) else b""


def told(row, column):
    return int(row[column] or 0)


def errors(pairs):
    """Median and 95th percentile of how far an estimate is from what was told, as a part of it."""
    off = sorted(abs(estimate - truth) / truth for estimate, truth in pairs)
    return len(off), median(off), off[int(0.95 * len(off))]


def output_pairs(tokenizer):
    counted, by_bytes = [], []
    for row, exchange in exchanges():
        written, truth = reply_bytes(exchange["response"]), told(row, "output_tokens")
        is_text = not any(told(row, each) for each in ("reasoning_tokens", "output_audio_tokens", "output_image_tokens"))
        asked = encode_json((exchange.get("request") or {}).get("body"))
        if truth < 20 or not is_text or "stream" not in row["stream"] or any(word.encode() in asked for word in (*_HIDDEN, *_RUNS)):
            continue
        model = row["model"] or row["request_model"]
        if (tokens := tokenizer.counted(seen(model, written=written)).output) is not None:
            counted.append((tokens, truth))
            by_bytes.append((len(written), truth))
    return counted, by_bytes


def input_pairs(tokenizer):
    counted, by_bytes = [], []
    for row, exchange in exchanges():
        request, truth = exchange.get("request") or {}, told(row, "input_tokens")
        if truth < 20 or not isinstance(request.get("body"), dict):
            continue
        asked = encode_json(request["body"])
        if any(word.encode() in asked for word in (*_HIDDEN, *_RUNS)) or "request-elided" in exchange["features"]:
            continue
        tokens = tokenizer.counted(seen(row["model"] or row["request_model"], asked)).input
        if tokens:
            counted.append((tokens, truth))
            by_bytes.append((len(asked) + 1_024, truth))
    return counted, by_bytes


@recorded
@pytest.mark.parametrize(("pairs", "most"), [(output_pairs, (0.13, 1.5)), (input_pairs, (0.22, 1.0))])
def test_recorded_usage_is_nearer_to_the_tokenizers_estimate_than_to_that_of_bytes(tokenizer, pairs, most):
    counted, by_bytes = map(errors, pairs(tokenizer))
    figures = f"(n, median, p95) of the tokenizer {counted}, of bytes {by_bytes}"
    assert counted[1] <= most[0], figures
    assert counted[2] <= most[1], figures
    assert counted[1] * 5 < by_bytes[1], figures
    assert counted[2] * 5 < by_bytes[2], figures
