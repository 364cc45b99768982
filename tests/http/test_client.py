"""Pools, deadlines, proxies, TLS to providers."""

from __future__ import annotations

import asyncio
import ssl

import pytest
import trustme
from tests.http.conftest import MS, QUICK_SWEEP_S, Collected, body_of, request_to

from weighbridge.core.clock import SystemClock
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.secret import Secret
from weighbridge.core.terms import Deadlines, Origin, Proxy, Tls
from weighbridge.http.client import HttpClient
from weighbridge.http.limits import MAX_BUFFERED
from weighbridge.pipeline.plan import Limits

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Provider:
    """Answers every request once `release` is set; counts connections and requests."""

    def __init__(self, reply: bytes = OK) -> None:
        self.reply = reply
        self.n_connections = 0
        self.asked = asyncio.Semaphore(0)
        self.release = asyncio.Event()
        self.release.set()
        self.heads = []
        self.gone = asyncio.Semaphore(0)

    async def script(self, peer):
        self.n_connections += 1
        try:
            while True:
                self.heads.append((self.n_connections, await peer.until(b"\r\n\r\n")))
                self.asked.release()
                await self.release.wait()
                await peer.send(self.reply)
        except AssertionError:
            pass
        finally:
            self.gone.release()


async def refused(client, request, kind) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await body_of(await client.send(request))
    assert caught.value.kind is kind
    return caught.value


# --- pools


async def test_a_connection_is_used_again(client, upstream):
    provider = Provider()
    origin = await upstream(provider.script)
    for _ in range(3):
        assert await body_of(await client.send(request_to(origin))) == b"ok"
    assert (provider.n_connections, client.n_connections, client.n_active) == (1, 1, 0)


async def test_the_connection_used_last_is_used_first(client, upstream):
    provider = Provider()
    provider.release.clear()
    origin = await upstream(provider.script)
    both = [asyncio.ensure_future(client.send(request_to(origin))) for _ in range(2)]
    for _ in both:
        await provider.asked.acquire()
    provider.release.set()
    for sending in both:
        await body_of(await sending)
    freshest = client._pools[origin]._idle[-1]
    for _ in range(3):
        await body_of(await client.send(request_to(origin)))
        assert client._pools[origin]._idle[-1] is freshest
    assert provider.n_connections == 2


async def test_connections_idle_for_long_are_closed(upstream):
    provider = Provider()
    origin = await upstream(provider.script)
    client = HttpClient(clock=SystemClock(), limits=Limits(upstream_idle_timeout_ns=50 * MS), sweep_s=QUICK_SWEEP_S)
    await body_of(await client.send(request_to(origin)))
    await asyncio.wait_for(provider.gone.acquire(), 1)
    async with asyncio.timeout(1):
        while client.n_connections:
            await asyncio.sleep(0.001)
    await client.close()


@pytest.fixture
async def narrow():
    client = HttpClient(clock=SystemClock(), limits=Limits(max_upstream_connections=1), sweep_s=QUICK_SWEEP_S)
    yield client
    await client.close()


async def test_requests_over_the_bound_wait_for_a_connection(narrow, upstream):
    provider = Provider()
    provider.release.clear()
    origin = await upstream(provider.script)
    sending = [asyncio.ensure_future(narrow.send(request_to(origin))) for _ in range(5)]
    await provider.asked.acquire()
    sending[2].cancel()
    provider.release.set()
    for task in sending[:2] + sending[3:]:
        assert await body_of(await task) == b"ok"
    assert provider.n_connections == 1


async def test_a_waiter_cancelled_as_it_is_given_a_connection_loses_none(narrow, upstream):
    provider = Provider(OK[:-1])
    origin = await upstream(provider.script)
    reply = await narrow.send(request_to(origin))
    second, third = [asyncio.ensure_future(narrow.send(request_to(origin))) for _ in range(2)]
    await asyncio.sleep(0)

    class CancelsTheSecond(Collected):
        def on_end(self):
            super().on_end()
            second.cancel()

    sink = CancelsTheSecond()
    reply.attach(sink)
    provider.reply = OK
    (connection,) = narrow._pools[origin]._open
    connection.data_received(b"k")
    assert sink.is_over.is_set()
    assert await body_of(await asyncio.wait_for(third, 1)) == b"ok"
    assert second.cancelled()
    assert provider.n_connections == 1


async def test_a_connection_that_fails_to_open_lets_the_next_in_line_try(narrow, upstream):
    nowhere = Origin("unix", "/nonexistent/weighbridge")
    sending = [asyncio.ensure_future(narrow.send(request_to(nowhere))) for _ in range(3)]
    for task in sending:
        with pytest.raises(GatewayError) as caught:
            await asyncio.wait_for(task, 1)
        assert caught.value.kind is ErrorKind.PROVIDER_UNREACHABLE
        assert "nonexistent" not in caught.value.public


async def test_cancelling_drops_the_connection_at_once(client, upstream):
    provider = Provider()
    provider.release.clear()
    origin = await upstream(provider.script)
    sending = asyncio.ensure_future(client.send(request_to(origin)))
    await provider.asked.acquire()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert client.n_active == 0
    provider.release.set()
    await asyncio.wait_for(provider.gone.acquire(), 1)


async def test_closing_fails_what_is_under_way(upstream):
    provider = Provider()
    provider.release.clear()
    origin = await upstream(provider.script)
    client = HttpClient(clock=SystemClock(), limits=Limits())
    sending = asyncio.ensure_future(client.send(request_to(origin)))
    await provider.asked.acquire()
    await client.close()
    with pytest.raises(GatewayError):
        await asyncio.wait_for(sending, 1)


# --- deadlines


async def test_a_provider_that_refuses_connections_is_unreachable(client, upstream):
    error = await refused(client, request_to(Origin("http", "127.0.0.1", 1)), ErrorKind.PROVIDER_UNREACHABLE)
    assert error.public == "The provider could not be reached."


async def silent(peer):
    await peer.rest()


async def test_connecting_is_bounded(client, upstream):
    proxy = await upstream(silent)
    origin = Origin("https", "provider.test", 443, proxy=Proxy(proxy.host, proxy.port))
    error = await refused(client, request_to(origin, deadlines=Deadlines(connect_ns=50 * MS)), ErrorKind.PROVIDER_UNREACHABLE)
    assert error.public == "The provider could not be reached within 0.05 s."


BEGUN = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"


@pytest.mark.parametrize(
    ("reply", "deadlines", "public"),
    [
        (b"", Deadlines(first_byte_ns=50 * MS), "The provider did not begin to answer within 0.05 s."),
        (BEGUN, Deadlines(between_bytes_ns=50 * MS), "The provider was silent for 0.05 s in the middle of its answer."),
        (b"", Deadlines(total_ns=50 * MS), "The provider did not finish within 0.05 s."),
        (BEGUN, Deadlines(total_ns=50 * MS), "The provider did not finish within 0.05 s."),
    ],
    ids=["first byte", "between bytes", "total, silent", "total, begun"],
)
async def test_a_slow_provider_is_given_up_with_a_sentence_that_says_why(client, upstream, reply, deadlines, public):
    provider = Provider(reply)
    origin = await upstream(provider.script)
    error = await refused(client, request_to(origin, deadlines=deadlines), ErrorKind.PROVIDER_TIMEOUT)
    assert error.public == public
    await asyncio.wait_for(provider.gone.acquire(), 1)


@pytest.mark.slow
async def test_our_own_slowness_is_not_the_providers_silence(client, upstream):
    body = b"r" * 8_000_000
    provider = Provider(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
    origin = await upstream(provider.script)
    reply = await client.send(request_to(origin, deadlines=Deadlines(between_bytes_ns=400 * MS)))
    await asyncio.sleep(0.5)
    assert reply._held_size <= MAX_BUFFERED + 2**18
    sink = Collected()
    reply.attach(sink)
    reply.pause()
    held = len(sink.data)
    await asyncio.sleep(0.5)
    assert len(sink.data) <= held + 2**18
    reply.resume()
    await sink.is_over.wait()
    assert (sink.data == body, sink.error) == (True, None)


# --- TLS


@pytest.fixture
def authority():
    return trustme.CA()


@pytest.fixture
def ca_file(authority, tmp_path):
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return str(tmp_path / "ca.pem")


def context_for(authority, name="localhost"):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


def with_tls(origin, tls, **changes):
    return Origin(origin.scheme, origin.host, origin.port, tls, **changes)


async def test_a_provider_behind_a_known_authority_is_trusted(client, upstream, authority, ca_file):
    provider = Provider()
    origin = with_tls(await upstream(provider.script, tls=context_for(authority)), Tls(ca_file=ca_file))
    for _ in range(2):
        assert await body_of(await client.send(request_to(origin))) == b"ok"
    assert provider.n_connections == 1


@pytest.mark.parametrize("case", ["unknown authority", "other name"])
async def test_a_provider_that_is_not_who_it_says_gets_no_request(client, upstream, authority, ca_file, case):
    provider = Provider()
    tls = Tls() if case == "unknown authority" else Tls(ca_file=ca_file)
    name = "localhost" if case == "unknown authority" else "other.test"
    origin = with_tls(await upstream(provider.script, tls=context_for(authority, name)), tls)
    error = await refused(client, request_to(origin), ErrorKind.PROVIDER_UNREACHABLE)
    assert error.public == "The provider's certificate could not be verified."
    assert provider.heads == []


async def test_a_provider_that_asks_for_a_client_certificate_gets_ours(client, upstream, authority, ca_file, tmp_path):
    ours = trustme.CA()
    issued = ours.issue_cert("gateway.test")
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    context = context_for(authority)
    context.verify_mode = ssl.CERT_REQUIRED
    ours.configure_trust(context)
    provider = Provider()
    origin = await upstream(provider.script, tls=context)
    tls = Tls(ca_file, str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))
    assert await body_of(await client.send(request_to(with_tls(origin, tls)))) == b"ok"
    with pytest.raises(GatewayError):
        await body_of(await client.send(request_to(with_tls(origin, Tls(ca_file)))))


async def test_unusable_certificate_files_make_a_provider_unreachable(client, upstream, tmp_path):
    origin = with_tls(Origin("https", "localhost", 1), Tls(ca_file=str(tmp_path / "missing.pem")))
    await refused(client, request_to(origin), ErrorKind.PROVIDER_UNREACHABLE)


# --- proxies and unix sockets

SECRET = "Basic dXNlcjpwYXNz"


async def test_plain_http_goes_through_a_proxy_in_absolute_form(client, upstream):
    provider = Provider()
    proxy = await upstream(provider.script)
    origin = Origin("http", "provider.test", 8000, proxy=Proxy(proxy.host, proxy.port, Secret(SECRET)))
    assert await body_of(await client.send(request_to(origin))) == b"ok"
    ((_, head),) = provider.heads
    assert head.startswith(b"POST http://provider.test:8000/v1/chat HTTP/1.1\r\n")
    assert b"proxy-authorization: %b\r\n" % SECRET.encode() in head


async def test_https_goes_through_a_tunnel_and_only_the_proxy_sees_its_password(client, upstream, authority, ca_file):
    provider = Provider()
    target = await upstream(provider.script, tls=context_for(authority))
    connects = []

    async def proxy_script(peer):
        connects.append(await peer.until(b"\r\n\r\n"))
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
        await peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")

        async def copy(source, to):
            while data := await source.read(65536):
                to.write(data)
            to.close()

        try:
            await asyncio.gather(copy(peer.reader, writer), copy(reader, peer.writer), return_exceptions=True)
        finally:
            writer.transport.abort()

    proxy = await upstream(proxy_script)
    origin = with_tls(target, Tls(ca_file), proxy=Proxy(proxy.host, proxy.port, Secret(SECRET)))
    for _ in range(2):
        assert await body_of(await client.send(request_to(origin))) == b"ok"
    assert connects[0].startswith(b"CONNECT localhost:%d HTTP/1.1\r\n" % target.port)
    assert SECRET.encode() in connects[0]
    assert len(connects) == 1
    assert all(b"proxy-authorization" not in head for _, head in provider.heads)


async def test_a_refused_tunnel_is_an_error_without_credentials(client, upstream):
    proxy = await upstream(Provider(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n").script)
    origin = Origin("https", "provider.test", 443, proxy=Proxy(proxy.host, proxy.port, Secret(SECRET)))
    error = await refused(client, request_to(origin), ErrorKind.PROVIDER_UNREACHABLE)
    assert "407" in error.detail
    assert SECRET not in error.detail + error.public


async def test_unix_sockets_are_origins_too(client, upstream, tmp_path):
    provider = Provider()
    origin = await upstream(provider.script, path=str(tmp_path / "s"))
    for _ in range(2):
        assert await body_of(await client.send(request_to(origin))) == b"ok"
    assert provider.n_connections == 1
