"""What the gateway prints and what `examples/` holds works as it stands, for somebody who copies it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from weighbridge.core.codec import decode_json

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def welcome(gateway):
    """All that `serve` prints."""
    return gateway.stderr.wait_for_match(r"(?s)Try it:.*print\(reply.*")[0]


def run(*command, **environment):
    done = subprocess.run(command, capture_output=True, env=os.environ | environment, timeout=30, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_the_curl_line_works_as_printed(welcome):
    command = re.search(r"(?s)curl .*?\}'", welcome)[0]
    reply = decode_json(run("bash", "-c", command.replace("curl ", "curl --silent --show-error ", 1)).encode())
    assert "Hello, Weighbridge!" in reply["choices"][0]["message"]["content"]


def test_the_sdk_snippet_works_as_printed(welcome):
    snippet = re.search(r"(?s)from openai.*?print\(.*?\n|from openai.*", welcome)[0]
    assert "Hello, Weighbridge!" in run(sys.executable, "-c", snippet)


def test_every_example_runs(gateway, keys):
    environment = os.environ | {"WEIGHBRIDGE_URL": gateway.base_url, "WEIGHBRIDGE_KEY": keys.app}
    scripts = sorted((ROOT / "examples").glob("*.py"))
    # Side by side: each shows a slow stream.
    running = [subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, env=environment) for script in scripts]
    for script, process in zip(scripts, running, strict=True):
        printed = process.communicate(timeout=30)[0].decode()
        assert process.returncode == 0, script
        for words in ("Hello from", "tokens:", "slowly"):
            assert words in printed, script


def test_the_example_configuration_is_served(start_gateway, tmp_path):
    gateway = start_gateway({}, directory=tmp_path)
    gateway.write_config((ROOT / "examples" / "weighbridge.yaml").read_bytes())
    gateway.stderr.wait_for_match("loaded again: version 2")
    reply = gateway.chat(key=(gateway.data_dir / "first.key").read_text().strip(), model="fast")
    assert reply.status == 200
