"""The Gemini SDK through Weighbridge: only the base URL and the key differ."""

import os

from google import genai
from google.genai import types

GATEWAY = os.environ.get("WEIGHBRIDGE_URL", "http://127.0.0.1:8080")

client = genai.Client(api_key=os.environ["WEIGHBRIDGE_KEY"], http_options=types.HttpOptions(base_url=GATEWAY))

reply = client.models.generate_content(model="demo/echo", contents="Hello from the Gemini SDK")
print(reply.text)
print("tokens:", reply.usage_metadata.prompt_token_count, "in,", reply.usage_metadata.candidates_token_count, "out")

for chunk in client.models.generate_content_stream(model="demo/slow", contents="Tell me something, slowly"):
    print(chunk.text or "", end="", flush=True)
print()
