"""Servers on a thread, for synchronous SDKs; and the command line."""

from __future__ import annotations

import signal
import subprocess
import sys

import anthropic
import openai
import pytest

from weighbridge.core.codec import decode_json
from weighbridge.testing import Fault, SimulatedAnthropic, SimulatedOpenAI, running


def test_synchronous_sdks_talk_to_a_provider_on_a_thread():
    with running(SimulatedOpenAI()) as provider:
        with openai.OpenAI(api_key="sk-sim-1", base_url=provider.base_url, max_retries=0) as client:
            reply = client.completions.create(model="gpt-3.5-turbo-instruct", prompt="hello")
            provider.faults.add(Fault.status(503))
            with pytest.raises(openai.InternalServerError):
                client.models.list()
        provider.journal.wait_until(lambda journal: journal.finished == 2)
    assert reply.choices[0].text == "hello"


def test_what_a_server_raises_at_its_start_is_raised_here():
    with (
        running(SimulatedAnthropic()) as first,
        pytest.raises(OSError, match="in use"),
        running(SimulatedAnthropic(port=first.port)),
    ):
        pass


def test_the_command_serves_until_it_is_stopped():
    command = [sys.executable, "-m", "weighbridge.testing", "--openai", "0", "--anthropic", "0", "--pace-ms", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            described = decode_json(process.stdout.readline())
            with anthropic.Anthropic(**described["anthropic"]) as client:
                message = client.messages.create(
                    model="claude-sonnet-5", max_tokens=16, messages=[{"role": "user", "content": "hello"}]
                )
            assert message.content[0].text == "hello"
            assert described["openai"]["base_url"].endswith("/v1")
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
