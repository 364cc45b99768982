"""The vendors' own SDKs, speaking to the demo provider without a socket."""

import itertools
from collections.abc import Iterator

import anthropic
import httpx2
import openai
import pytest
from google import genai
from google.genai import types

from weighbridge.core.terms import Dialect
from weighbridge.providers.demo import DemoReply, DemoRequest, respond

NOW_S = 1_780_000_000
PREFIX = "/v1"


class _Chunks(httpx2.SyncByteStream):
    def __init__(self, reply: DemoReply) -> None:
        self._reply = reply

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._reply.chunks:
            yield chunk.data


class DemoTransport(httpx2.BaseTransport):
    """Plays replies back at once and keeps them in `replies`."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._numbers = itertools.count()
        self.replies: list[DemoReply] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        reply = respond(
            DemoRequest(
                method=request.method,
                path=request.url.path.removeprefix(PREFIX),
                query=request.url.query.decode(),
                headers=[(name.lower(), value) for name, value in request.headers.raw],
                body=request.read(),
                dialect=self._dialect,
            ),
            now_s=NOW_S,
            request_number=next(self._numbers),
        )
        self.replies.append(reply)
        return httpx2.Response(reply.status, headers=reply.headers, stream=_Chunks(reply))


@pytest.fixture
def openai_transport():
    return DemoTransport(Dialect.OPENAI)


@pytest.fixture
def openai_client(openai_transport):
    with httpx2.Client(transport=openai_transport) as http:
        yield openai.OpenAI(api_key="none", base_url="http://demo.test/v1", http_client=http, max_retries=0)


@pytest.fixture
def anthropic_transport():
    return DemoTransport(Dialect.ANTHROPIC)


@pytest.fixture
def anthropic_client(anthropic_transport):
    with httpx2.Client(transport=anthropic_transport) as http:
        yield anthropic.Anthropic(api_key="none", base_url="http://demo.test", http_client=http, max_retries=0)


@pytest.fixture
def gemini_transport():
    return DemoTransport(Dialect.GEMINI)


@pytest.fixture
def gemini_client(gemini_transport):
    with httpx2.Client(transport=gemini_transport) as http:
        options = types.HttpOptions(base_url="http://demo.test", httpx_client=http)
        yield genai.Client(api_key="none", http_options=options, vertexai=False)
