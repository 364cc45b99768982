"""The Anthropic SDK through Weighbridge: only the base URL and the key differ."""

import os

from anthropic import Anthropic

GATEWAY = os.environ.get("WEIGHBRIDGE_URL", "http://127.0.0.1:8080")

client = Anthropic(base_url=GATEWAY, api_key=os.environ["WEIGHBRIDGE_KEY"])

reply = client.messages.create(
    model="demo/echo",
    max_tokens=200,
    messages=[{"role": "user", "content": "Hello from the Anthropic SDK"}],
)
print(reply.content[0].text)
print("tokens:", reply.usage.input_tokens, "in,", reply.usage.output_tokens, "out")

with client.messages.stream(
    model="demo/slow",
    max_tokens=200,
    messages=[{"role": "user", "content": "Tell me something, slowly"}],
) as stream:
    for text in stream.text_stream:
        print(text, end="", flush=True)
print()

count = client.messages.count_tokens(model="demo/echo", messages=[{"role": "user", "content": "How long is this?"}])
print("counted:", count.input_tokens, "tokens")
