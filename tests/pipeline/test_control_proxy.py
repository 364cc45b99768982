from __future__ import annotations

import asyncio

import pytest

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.pipeline.control_proxy import is_control_path


@pytest.mark.parametrize("path", [b"/", b"/admin", b"/admin/keys", b"/metrics", b"/favicon.ico", b"/dashboard", b"/dashboard/x"])
def test_paths_of_the_control_plane(path):
    assert is_control_path(path)


@pytest.mark.parametrize(
    "path",
    [b"", b"*", b"/v1/models", b"/adminx", b"/metrics/x", b"/v1/admin/keys", b"//admin", b"/healthz", b"/dashboards", b"/static/a"],
)
def test_other_paths(path):
    assert not is_control_path(path)


async def test_request_is_forwarded_with_its_credentials_and_cookies_and_the_clients_true_address(world):
    headers = [("cookie", "session=1"), ("x-forwarded-for", "1.1.1.1"), ("x-forwarded-proto", "https"), ("connection", "close")]
    await world.ask("POST", "/admin/keys?limit=2", b'{"name":"a"}', headers)
    assert world.request_line == "POST /admin/keys?limit=2 HTTP/1.1"
    assert world.sent_headers == [
        (b"host", b"gateway.example"),
        (b"cookie", b"session=1"),
        (b"authorization", f"Bearer {world.key}".encode()),
        (b"x-forwarded-for", b"192.0.2.7"),
    ]
    assert world.sent_body == b'{"name":"a"}'


async def test_reply_passes_with_its_cookies_and_without_hop_by_hop_headers(world):
    headers = (("content-type", "text/html"), ("set-cookie", "a=1"), ("set-cookie", "b=2"), ("connection", "close"))
    world.will_reply(b"<html>", b"</html>", status=201, headers=headers, length=13)
    client = await world.ask("GET", "/admin")
    assert (client.status, client.body, client.length, client.is_ended) == (201, b"<html></html>", 13, True)
    assert client.lines == [(b"content-type", b"text/html"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]


async def test_control_plane_that_is_down_is_an_honest_502(world):
    world.upstream.script.append(GatewayError(ErrorKind.PROVIDER_UNREACHABLE, "Not there."))
    client = await world.ask("GET", "/admin")
    assert (client.status, client.json["error"]["message"]) == (502, "Not there.")


async def test_reply_that_breaks_off_is_cut(world):
    world.will_reply(b"half", error=GatewayError(ErrorKind.PROVIDER_BROKE_OFF, "x"))
    client = await world.ask("GET", "/dashboard/")
    assert (client.body, client.is_aborted, client.is_ended) == (b"half", True, False)


async def test_body_beyond_the_limit_is_refused(world):
    client = world.client("POST", "/admin/keys", b"{}")
    client.body_error = GatewayError(ErrorKind.PAYLOAD_TOO_LARGE, "Too large.")
    await world.gateway.handle(client)
    assert client.status == 413
    assert world.upstream.requests == []


async def test_client_leaving_stops_the_control_plane(world):
    reply = world.will_reply(b"x", is_open=True)
    task = asyncio.create_task(world.ask("GET", "/admin/stream"))
    await reply.attached.wait()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert reply.is_aborted


async def test_slow_client_slows_the_control_plane_down(world):
    reply = world.will_reply(b"x", length=1)
    client = await world.ask("GET", "/admin")
    assert client.source is reply
