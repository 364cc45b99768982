from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"name": "a", "colour": "red"}, "colour", "unknown_field"),
        ({}, "name", "invalid_field"),
        ({"name": 7}, "name", "invalid_field"),
        ({"name": "a", "models": "gpt-4o"}, "models", "invalid_field"),
        ({"name": "a", "is_admin": "yes"}, "is_admin", "invalid_field"),
        ({"name": "a", "expires": "soon"}, "expires", "invalid_field"),
    ],
)
async def test_a_wrong_field_is_400_and_named(admin, body, param, code):
    reply = await admin.post("/keys", json=body)
    error = reply.json()["error"]
    assert (reply.status_code, error["type"], error["param"], error["code"]) == (400, "invalid_request", param, code)
    assert error["message"]


async def test_what_was_sent_is_not_repeated(admin):
    reply = await admin.post("/keys", json={"name": ["hunter2"], "secret": "hunter2"})
    assert reply.status_code == 400
    assert "hunter2" not in reply.text


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"null"])
async def test_what_is_no_json_object_is_400(admin, content):
    reply = await admin.post("/keys", content=content, headers={"content-type": "application/json"})
    assert (reply.status_code, reply.json()["error"]["type"]) == (400, "invalid_request")


async def test_unknown_paths_and_methods_have_the_same_shape(admin):
    missing, wrong = await admin.get("/nothing"), await admin.put("/status")
    assert (missing.status_code, missing.json()["error"]["type"]) == (404, "not_found")
    assert (wrong.status_code, wrong.json()["error"]["type"]) == (405, "method_not_allowed")
    assert "GET" in wrong.headers["allow"]


async def test_an_unknown_query_parameter_is_400(admin):
    reply = await admin.get("/keys?limits=3")
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "unknown_field")


async def test_a_bug_is_500_without_its_text(admin, gateway):
    def broken(_limit):
        raise RuntimeError("hunter2")

    gateway.records = type("Broken", (), {"__getitem__": broken})()
    reply = await admin.get("/records")
    assert (reply.status_code, reply.json()["error"]["code"]) == (500, "internal")
    assert "hunter2" not in reply.text
    assert reply.headers["cache-control"] == "no-store"
