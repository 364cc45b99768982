"""The whole program: started, asked, stopped."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from weighbridge.cli.console import EXIT_ENVIRONMENT

pytestmark = pytest.mark.slow  # processes start and end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_as_it_says_and_stops_on_a_signal(here: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "weighbridge", "serve", "--port", "0", "--data-dir", str(here / "data")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        try:
            said = ""
            while "print(reply" not in said:
                line = program.stderr.readline()
                assert line, said
                said += line
            base_url = re.search(r"http://127\.0\.0\.1:\d+", said)[0]
            key = re.search(r"virtual key\s+(wb-\S+)", said)[1]
            body = b'{"model":"demo/echo","messages":[{"role":"user","content":"Hello"}]}'
            headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
            request = urllib.request.Request(f"{base_url}/v1/chat/completions", body, headers)
            with urllib.request.urlopen(request, timeout=20) as reply:
                assert b"Hello" in reply.read()
            program.send_signal(number)
            out, rest = program.communicate(timeout=20)
        finally:
            program.kill()
    assert program.returncode == 0
    assert "The gateway has stopped." in rest
    assert "demo/echo" in out
    assert key not in out


def test_a_taken_port_is_an_error_of_the_environment(run, here: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        outcome = run("serve", "--port", str(taken.getsockname()[1]), "--data-dir", str(here / "data"))
    assert outcome.code == EXIT_ENVIRONMENT
    assert "cannot listen on" in outcome.err


def test_a_missing_configuration_is_explained_before_anything_is_made(run, here: Path) -> None:
    outcome = run("serve", "--config", "absent.yaml", "--data-dir", str(here / "data"))
    assert outcome.code != 0
    assert "absent.yaml" in outcome.err
    assert not (here / "data").exists()
