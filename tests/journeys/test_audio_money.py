"""Audio that is charged by time and speech that is charged by characters: held, charged and billed line by line."""

from __future__ import annotations

import openai
import pytest
from tests.pipeline.test_pieces import samples

from weighbridge.testing import SimulatedOpenAI, running

APP_KEY = "wb-audio-app-0123456789"
NARROW_KEY = "wb-audio-narrow-0123456789"
CONFIG = {
    "prices": [
        {"match": "sim/whisper*", "audio_hour": 0.36},
        {"match": "sim/tts*", "characters": 15},
    ],
    "keys": [{"name": "app", "key": APP_KEY}, {"name": "narrow", "key": NARROW_KEY, "team": "narrow"}],
    "budgets": [
        {"scope": "key:app", "amount": "$1", "period": "total"},
        {"scope": "team:narrow", "amount": "$0.001", "period": "total"},
    ],
}


@pytest.fixture(scope="module")
def provider():
    with running(SimulatedOpenAI()) as simulated:
        yield simulated


@pytest.fixture(scope="module")
def gateway(provider, start_gateways, tmp_path_factory):
    entry = {"type": "openai", "base_url": provider.base_url, "api_key": provider.keys[0]}
    return start_gateways({**CONFIG, "providers": {"sim": entry}}, directory=tmp_path_factory.mktemp("audio"))


@pytest.fixture(params=[APP_KEY])
def client(request, gateway):
    with openai.OpenAI(base_url=f"{gateway.base_url}/v1", api_key=request.param, max_retries=0) as sdk:
        yield sdk


def shown(gateway, reply):
    found = gateway.booked(reply.headers["x-weighbridge-request-id"])
    return found, found["attempts"][0]


def test_a_transcription_costs_its_seconds_however_they_are_told(client, gateway, provider):
    for form in ("json", "verbose_json"):
        reply = client.audio.transcriptions.with_raw_response.create(
            model="sim/whisper-1", file=("speech.wav", samples(3)), response_format=form
        )
        found, attempt = shown(gateway, reply)
        item = provider.invoice().items[-1]
        assert attempt["usage"]["audio_ms"] == item.usage.audio_ms > 0
        assert (found["cost_nanousd"], found["price_state"]) == (item.amount, "known")
        (line,) = attempt["bill"]["lines"]
        assert (line["what"], line["count"], line["rate_usd"]) == ("audio_hour", item.usage.audio_ms, "0.36")


def test_where_only_the_text_comes_the_file_says_how_long_it_was(client, gateway):
    reply = client.audio.transcriptions.with_raw_response.create(
        model="sim/whisper-1", file=("speech.wav", samples(30)), response_format="text"
    )
    found, attempt = shown(gateway, reply)
    assert attempt["usage"]["audio_ms"] == 30_000
    assert (found["cost_nanousd"], found["price_state"]) == (3_000_000, "estimated")


def test_speech_costs_the_characters_that_are_spoken(client, gateway, provider):
    text = "Wägen & bewegen 🦆"
    reply = client.audio.speech.with_raw_response.create(model="sim/tts-1", input=text, voice="alloy")
    found, attempt = shown(gateway, reply)
    assert attempt["usage"]["characters"] == len(text)
    assert found["cost_nanousd"] == provider.invoice().items[-1].amount == 15_000 * len(text)
    assert found["price_state"] == "estimated"  # no reply tells them


@pytest.mark.parametrize("client", [NARROW_KEY], indirect=True)
def test_audio_that_a_budget_cannot_pay_for_is_refused_before_it_is_sent(client, provider):
    n_before = len(provider.journal)
    with pytest.raises(openai.RateLimitError) as refused:
        client.audio.transcriptions.create(model="sim/whisper-1", file=("speech.wav", samples(60)))
    assert refused.value.code == "budget_exceeded"
    assert len(provider.journal) == n_before
    client.audio.transcriptions.create(model="sim/whisper-1", file=("speech.wav", samples(1)))
