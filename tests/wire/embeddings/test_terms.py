from __future__ import annotations

import csv
from pathlib import Path

import pytest

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.terms import Provenance
from weighbridge.wire.embeddings import OUTBOUND_EMBEDDINGS, EmbeddingStyle
from weighbridge.wire.embeddings.terms import Task, task_named

S = EmbeddingStyle
RECORDINGS = Path(__file__).resolve().parents[4] / "shared" / "recordings"
STYLES = {
    "openai-embeddings": S.OPENAI,
    "mistral-embeddings": S.MISTRAL,
    "voyage-embeddings": S.VOYAGE,
    "openrouter-embeddings": S.OPENAI,
    "gemini-embed": S.GEMINI,
    "cohere-v2-embed": S.COHERE,
    "ollama-native-embed": S.OLLAMA,
}


@pytest.mark.parametrize("task", list(Task))
def test_a_task_is_known_by_its_own_name(task):
    assert task_named(task.value) is task
    assert task_named(task.value.upper()) is task


def test_an_unknown_word_is_no_task():
    assert (task_named("haiku"), task_named(None)) == (None, None)


def recorded():
    if not RECORDINGS.is_dir():
        return []
    with (RECORDINGS / "index.csv").open() as index:
        return [row for row in csv.DictReader(index) if row["api"] in STYLES and row["status"] == "200"]


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not part of the project and are not here")
def test_every_recorded_answer_is_read_and_counts_what_its_provider_said():
    with (RECORDINGS / "expected_usage.csv").open() as expected:
        counts = {row["path"]: row["input_tokens"] for row in csv.DictReader(expected)}
    read = 0
    for row in recorded():
        exchange = decode_json((RECORDINGS / row["path"]).read_bytes())
        body = exchange["response"]["body"]
        if row["api"] == "gemini-embed" and "predictions" in body:
            continue
        reply = OUTBOUND_EMBEDDINGS[STYLES[row["api"]]].read_reply(encode_json(body))
        assert reply.vectors, row["path"]
        assert all(len(vector) > 1 for vector in reply.vectors), row["path"]
        told = counts.get(row["path"], "")
        is_known = reply.usage.provenance is not Provenance.UNKNOWN
        assert (str(reply.usage.total_input) if is_known else "") == told, row["path"]
        read += 1
    assert read > 10
