"""The simulated realtime WebSocket, driven by the real SDK and by an independent client."""

from __future__ import annotations

import openai
import pytest
import websockets

from weighbridge.core.codec import decode_json
from weighbridge.testing import SimulatedOpenAI


async def test_the_sdk_holds_a_session_and_it_is_billed():
    async with (
        SimulatedOpenAI() as provider,
        openai.AsyncOpenAI(api_key="sk-sim-1", base_url=provider.base_url) as client,
    ):
        async with client.realtime.connect(model="gpt-realtime") as session:
            content = [{"type": "input_text", "text": "hello out there"}]
            await session.conversation.item.create(item={"type": "message", "role": "user", "content": content})
            await session.response.create()
            kinds, text = [], ""
            async for event in session:
                kinds.append(event.type)
                text += event.delta if event.type == "response.output_text.delta" else ""
                if event.type == "response.done":
                    break
        assert kinds[0] == "session.created"
        assert text == "hello out there"
        assert event.response.usage.output_tokens == 4
        await provider.journal.until(lambda journal: journal.finished == 1)
        (item,) = provider.invoice().items
        assert (item.endpoint, item.usage.input, item.usage.output) == ("realtime", 4, 4)


async def test_fragments_pings_and_long_messages_are_understood():
    async with SimulatedOpenAI() as provider:
        url = provider.base_url.replace("http", "ws") + "/realtime?model=gpt-realtime"
        async with websockets.connect(url, additional_headers={"Authorization": "Bearer sk-sim-1"}) as socket:
            await socket.recv()
            await (await socket.ping())
            await socket.send(["x" * 70_000, "y" * 70_000])
            assert decode_json(await socket.recv())["type"] == "error"
        await provider.journal.until(lambda journal: journal.last.reply.ending == "whole")


async def test_a_wrong_key_does_not_connect():
    async with SimulatedOpenAI() as provider:
        url = provider.base_url.replace("http", "ws") + "/realtime?model=gpt-realtime"
        with pytest.raises(websockets.InvalidStatus) as raised:
            async with websockets.connect(url, additional_headers={"Authorization": "Bearer no"}):
                pass
        assert raised.value.response.status_code == 401
