"""Notices over real sockets: a web server and a mail server that take down what comes."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from weighbridge.config.proxies import ProxyRules
from weighbridge.control import alert_sender
from weighbridge.control.alert_sender import AlertSender, Notice
from weighbridge.core.alerts import AlertOn, Alerts, Condition, Destination, MailServer, Severity
from weighbridge.core.clock import SystemClock
from weighbridge.core.codec import decode_json
from weighbridge.core.secret import Secret
from weighbridge.http.client import HttpClient
from weighbridge.pipeline.plan import Limits

CONDITION = Condition("budget/b", AlertOn.BUDGET, Severity.CRITICAL, "team <!channel> has\nused 100%", "$5 of $5.")
FIRING = Notice("firing", CONDITION, 10**18, 10**18)
OVER = Notice("resolved", CONDITION, 10**18, 10**18)


@pytest.fixture
def receiver():
    """A server that answers with the statuses in `answers`, then 200."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            server.got.append((self.path, dict(self.headers.items()), body))
            self.send_response(server.answers.pop(0) if server.answers else 200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.got, server.answers = [], []
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
async def sender(monkeypatch):
    monkeypatch.setattr(alert_sender, "_WAITS_S", (0.0, 0.0))
    client = HttpClient(clock=SystemClock(), limits=Limits())
    yield AlertSender(client, ProxyRules({}), SystemClock())
    await client.close()


def url(receiver, path="/hook/secret-path?x=1"):
    return Secret(f"http://127.0.0.1:{receiver.server_port}{path}")


async def test_a_webhook_gets_json_that_is_signed(sender, receiver):
    to = Alerts(destinations=(Destination("own", webhook=url(receiver), secret=Secret("shared")),))
    assert await sender.send(FIRING, to) == {"own": ""}
    [(path, headers, body)] = receiver.got
    assert path == "/hook/secret-path?x=1"
    told = decode_json(body)
    assert (told["id"], told["state"], told["severity"], told["title"]) == ("budget/b", "firing", "critical", CONDITION.title)
    time, _, mac = headers["x-weighbridge-signature"].partition(",")
    signed = f"{time.removeprefix('t=')}.".encode() + body
    assert mac == "v1=" + hmac.new(b"shared", signed, hashlib.sha256).hexdigest()


async def test_slack_gets_a_text_in_which_no_name_is_a_mention(sender, receiver):
    to = Alerts(destinations=(Destination("ops", slack=url(receiver)),))
    await sender.send(FIRING, to)
    await sender.send(OVER, to)
    first, second = (decode_json(body)["text"] for _path, _headers, body in receiver.got)
    assert first.startswith(":rotating_light:")
    assert "&lt;!channel&gt;" in first
    assert "<!channel>" not in first
    assert second.startswith(":white_check_mark: *Over: ")


async def test_it_is_tried_three_times_and_then_said_without_the_secret(sender, receiver, capsys):
    receiver.answers = [500, 503]
    to = Alerts(destinations=(Destination("ops", slack=url(receiver)),))
    assert await sender.send(FIRING, to) == {"ops": ""}
    assert len(receiver.got) == 3
    receiver.answers = [404, 404, 404]
    assert await sender.send(FIRING, to) == {"ops": "it answered with the status 404"}
    nowhere = Alerts(destinations=(Destination("gone", webhook=Secret("http://127.0.0.1:1/secret-path")),))
    outcome = await sender.send(FIRING, nowhere)
    assert outcome["gone"]
    said = capsys.readouterr().err
    assert "did not reach 'ops'" in said
    assert "secret-path" not in said + outcome["gone"]


async def test_a_condition_goes_only_where_its_rule_says(sender, receiver):
    to = Alerts(destinations=(Destination("a", slack=url(receiver, "/a")), Destination("b", slack=url(receiver, "/b"))))
    condition = Condition("x", AlertOn.SPEND, Severity.WARNING, "x", to=("b",))
    assert list(await sender.send(Notice("firing", condition, 1, 1), to)) == ["b"]
    assert [path for path, _headers, _body in receiver.got] == ["/b"]


class MailBox(asyncio.Protocol):
    """As much of SMTP (RFC 5321) as it takes to be sent a message."""

    def __init__(self, messages):
        self.messages = messages

    def connection_made(self, transport):
        self.transport = transport
        self.is_data = False
        self.text = ""
        transport.write(b"220 box\r\n")

    def data_received(self, data):
        for line in data.decode().splitlines(keepends=True):
            if self.is_data and line == ".\r\n":
                self.is_data = False
                self.messages.append(self.text)
                self.transport.write(b"250 taken\r\n")
            elif self.is_data:
                self.text += line
            elif line.upper().startswith("DATA"):
                self.is_data = True
                self.transport.write(b"354 go on\r\n")
            else:
                self.transport.write(b"221 bye\r\n" if line.upper().startswith("QUIT") else b"250 ok\r\n")


async def test_an_email_has_one_subject_whatever_is_called_how(sender):
    messages = []
    loop = asyncio.get_running_loop()
    box = await loop.create_server(lambda: MailBox(messages), "127.0.0.1", 0)
    port = box.sockets[0].getsockname()[1]
    to = Alerts(
        destinations=(Destination("mail", email=("a@example.org", "b@example.org")),),
        mail=MailServer("127.0.0.1", port, "weighbridge@example.org", tls="none"),
    )
    assert await sender.send(FIRING, to) == {"mail": ""}
    [message] = messages
    assert "Subject: [Weighbridge] Critical: team <!channel> has used 100%" in message
    assert "To: a@example.org, b@example.org" in message
    assert "$5 of $5." in message
    box.close()


async def test_a_mail_server_that_is_away_is_said(sender, capsys):
    to = Alerts(destinations=(Destination("mail", email=("a@b.c",)),), mail=MailServer("127.0.0.1", 1, "w@b.c", tls="none"))
    assert "mail server" in (await sender.send(FIRING, to))["mail"]
    assert "did not reach 'mail'" in capsys.readouterr().err
