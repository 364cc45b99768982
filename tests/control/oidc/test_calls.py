from __future__ import annotations

import ssl

import pytest
import trustme

from weighbridge.auth.identities import NotAdmittedError, Refusal
from weighbridge.control.oidc.calls import MAX_ANSWER_BYTES, Answer, Calls
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.secret import Secret
from weighbridge.core.terms import Deadlines
from weighbridge.testing import StaticReply, StaticServer, running
from weighbridge.testing.static import After, Piece


def serving(body=b"{}", status="200 OK", tls=None, **reply):
    whole = StaticReply.whole(body, status=status) if not reply else StaticReply(**reply)
    return running(StaticServer(lambda _request: whole, is_recording=True, tls=tls))


async def refused(waiting):
    with pytest.raises(NotAdmittedError) as raised:
        await waiting
    assert raised.value.refusal is Refusal.UNAVAILABLE
    return raised.value.detail


async def test_a_question_names_its_host_and_keeps_its_query(oidc_calls):
    with serving(b'{"a": 1}') as server:
        url = f"http://127.0.0.1:{server.port}/keys?p=x"
        assert await oidc_calls.get(url, token=Secret("at-1")) == Answer(200, {"a": 1})
        [request] = server.requests
    assert request.target == b"/keys?p=x"
    assert (b"host", b"127.0.0.1:%d" % server.port) in request.headers
    assert (b"authorization", b"Bearer at-1") in request.headers


async def test_a_form_is_sent_as_one(oidc_calls):
    with serving(b'{"error": "x"}', "400 Bad Request") as server:
        answer = await oidc_calls.post(f"http://127.0.0.1:{server.port}", None, {"code": "a+b&c"}, Secret("Zm9v"))
        [request] = server.requests
    assert answer == Answer(400, {"error": "x"})
    assert (request.method, request.target, request.body) == (b"POST", b"/", b"code=a%2Bb%26c")
    assert (b"authorization", b"Basic Zm9v") in request.headers


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"a": ', b"\xff"])
async def test_what_is_no_object_is_an_empty_one(oidc_calls, body):
    with serving(body) as server:
        assert await oidc_calls.get(f"http://127.0.0.1:{server.port}/x") == Answer(200, {})


async def test_an_answer_without_end_is_cut_off(oidc_calls):
    with serving(b" " * (MAX_ANSWER_BYTES + 1)) as server:
        assert "longer than" in await refused(oidc_calls.get(f"http://127.0.0.1:{server.port}/x"))


@pytest.mark.slow
async def test_one_that_breaks_off_or_does_not_come_is_told(oidc_calls):
    short = Deadlines(connect_ns=NS_PER_S, first_byte_ns=NS_PER_S // 5, between_bytes_ns=NS_PER_S // 5, total_ns=NS_PER_S // 2)
    calls = Calls(oidc_calls._upstream, oidc_calls._proxies, short)
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"
    for reply in (
        {"head": head, "after": After.RESET},
        {"head": head, "pieces": (Piece(b"{"),), "after": After.HANG},
        {"head": b"", "after": After.HANG},
    ):
        with serving(**reply) as server:
            assert f"127.0.0.1:{server.port} does not answer" in await refused(calls.get(f"http://127.0.0.1:{server.port}/x"))


async def test_a_provider_is_met_at_one_place_however_often_it_is_asked(oidc_calls):
    with serving() as server:
        for path in ("a", "b", "a"):
            await oidc_calls.get(f"http://127.0.0.1:{server.port}/{path}")
    assert len(oidc_calls._places) == 1


async def test_an_authority_of_ones_own_is_trusted_where_it_is_named_and_nowhere_else(oidc_calls, tmp_path):
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with serving(b'{"a": 1}', tls=tls) as server:
        url = f"https://localhost:{server.port}/x"
        assert await oidc_calls.get(url, str(tmp_path / "ca.pem")) == Answer(200, {"a": 1})
        assert "certificate could not be verified" in await refused(oidc_calls.get(url))
