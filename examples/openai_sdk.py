"""The OpenAI SDK through Weighbridge: only the base URL and the key differ."""

import os

from openai import OpenAI

GATEWAY = os.environ.get("WEIGHBRIDGE_URL", "http://127.0.0.1:8080")

client = OpenAI(base_url=f"{GATEWAY}/v1", api_key=os.environ["WEIGHBRIDGE_KEY"])

reply = client.chat.completions.create(
    model="demo/echo",
    messages=[{"role": "user", "content": "Hello from the OpenAI SDK"}],
)
print(reply.choices[0].message.content)
print("tokens:", reply.usage.prompt_tokens, "in,", reply.usage.completion_tokens, "out")

stream = client.chat.completions.create(
    model="demo/slow",
    messages=[{"role": "user", "content": "Tell me something, slowly"}],
    stream=True,
)
for chunk in stream:
    print(chunk.choices[0].delta.content or "", end="", flush=True)
print()

embeddings = client.embeddings.create(model="demo/embed", input=["weigh", "bridge"])
print("embeddings:", len(embeddings.data), "of", len(embeddings.data[0].embedding), "dimensions")
