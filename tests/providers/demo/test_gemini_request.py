"""How Gemini's requests are read."""

from google.genai import types

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.terms import Dialect
from weighbridge.providers.demo import DemoRequest, respond
from weighbridge.providers.demo.gemini_request import camel_case


def test_snake_case_is_read_as_camel_case_but_the_callers_names_stay(gemini_client):
    schema = types.Schema(
        type="OBJECT", properties={"my_key": types.Schema(type="ARRAY", min_items=1, items=types.Schema(type="STRING"))}
    )
    schema.required = ["my_key"]
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=schema)
    assert gemini_client.models.generate_content(model="echo", contents="Hi", config=config).text == '{"my_key":["demo"]}'
    body = {
        "contents": [{"parts": [{"text": "Hi"}]}],
        "generation_config": {"response_schema": {"type": "OBJECT", "properties": {"a_b": {"min_length": 6}}, "required": ["a_b"]}},
    }
    request = DemoRequest("POST", "/models/echo:generateContent", "", (), encode_json(body), Dialect.GEMINI)
    reply = decode_json(respond(request, now_s=1, request_number=1).chunks[0].data)
    assert reply["candidates"][0]["content"]["parts"] == [{"text": '{"a_b":"demo.."}'}]


def test_names_inside_the_callers_own_objects_are_left_alone():
    call = {"function_call": {"args": {"c_d": 2}}}
    body = {"generation_config": {"response_json_schema": {"a_b": 1}}, "contents": [{"parts": [call]}]}
    assert camel_case(body) == {
        "generationConfig": {"responseJsonSchema": {"a_b": 1}},
        "contents": [{"parts": [{"functionCall": {"args": {"c_d": 2}}}]}],
    }
