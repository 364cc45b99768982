"""Takes notices to where they go: Slack, a signed webhook, e-mail. Tries three times, then says so on standard error."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import smtplib
import ssl
import sys
from collections.abc import Sequence
from email.message import EmailMessage
from typing import Final
from urllib.parse import urlsplit

import msgspec

from weighbridge.config.compile import parse_base
from weighbridge.config.proxies import ProxyRules
from weighbridge.control.instants import rfc3339_ns
from weighbridge.core.alerts import Alerts, Condition, Destination, MailServer
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.codec import encode_json
from weighbridge.core.errors import GatewayError
from weighbridge.core.ports import Clock, Upstream, UpstreamRequest
from weighbridge.core.secret import Secret
from weighbridge.core.terms import Deadlines, Tls

_WAITS_S: Final = (1.0, 5.0)
"""Before the second and the third try."""
_DEADLINES: Final = Deadlines(
    connect_ns=5 * NS_PER_S, first_byte_ns=10 * NS_PER_S, between_bytes_ns=10 * NS_PER_S, total_ns=20 * NS_PER_S
)
_SMTP_S: Final = 20.0
_MARKS: Final = {"warning": ":warning:", "critical": ":rotating_light:"}
_GOOD: Final = range(200, 300)


class Notice(msgspec.Struct, frozen=True):
    """What is told: that a condition holds (`firing`), or that it does not any more (`resolved`)."""

    state: str
    condition: Condition
    since_wall_ns: int
    at_wall_ns: int


class AlertSender:
    """Sends over `upstream`. `rules` say which proxy is used."""

    def __init__(self, upstream: Upstream, rules: ProxyRules, clock: Clock) -> None:
        self._upstream = upstream
        self._rules = rules
        self._clock = clock

    async def send(self, notice: Notice, alerts: Alerts) -> dict[str, str]:
        """To every destination that the condition is for. By its name why one did not take it, empty where it did."""
        wanted = [each for each in alerts.destinations if not notice.condition.to or each.name in notice.condition.to]
        outcomes = await asyncio.gather(*(self._deliver(notice, each, alerts.mail) for each in wanted))
        return dict(zip((each.name for each in wanted), outcomes, strict=True))

    async def _deliver(self, notice: Notice, destination: Destination, mail: MailServer | None) -> str:
        problem = ""
        for wait_s in (*_WAITS_S, None):
            problem = await self._try(notice, destination, mail)
            if not problem or wait_s is None:
                break
            await asyncio.sleep(wait_s)
        if problem:
            sys.stderr.write(f"An alert did not reach '{destination.name}': {problem}. It said: {notice.condition.title}\n")
        return problem

    async def _try(self, notice: Notice, destination: Destination, mail: MailServer | None) -> str:
        if destination.slack is not None:
            return await self._post(destination.slack, slack_body(notice))
        if destination.webhook is not None:
            body = webhook_body(notice)
            return await self._post(destination.webhook, body, self._signature(destination.secret, body))
        if mail is None:
            return "there is no mail server"
        try:
            await asyncio.to_thread(_send_mail, mail, message_of(notice, mail.sender, destination.email))
        except (OSError, smtplib.SMTPException) as error:
            return f"the mail server did not take it ({type(error).__name__})"
        return ""

    async def _post(self, url: Secret, body: bytes, lines: bytes = b"") -> str:
        parts = urlsplit(url.reveal())
        base = parse_base(url.reveal(), tls=Tls(), proxy=None, rules=self._rules)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        head = b"POST %b HTTP/1.1\r\nhost: %b\r\ncontent-type: application/json\r\n%b" % (
            target.encode(),
            parts.netloc.encode(),
            lines,
        )
        try:
            reply = await self._upstream.send(UpstreamRequest(b"POST", base.origin, head, [body], len(body), _DEADLINES))
        except GatewayError as error:
            return error.public.rstrip(".")  # which names a host at most, never the path, in which the secret is
        status = reply.status
        reply.abort()
        return "" if status in _GOOD else f"it answered with the status {status}"

    def _signature(self, secret: Secret | None, body: bytes) -> bytes:
        if secret is None:
            return b""
        seconds = self._clock.wall_ns() // NS_PER_S
        return b"x-weighbridge-signature: t=%d,v1=%b\r\n" % (seconds, signature(secret, seconds, body).encode())


def signature(secret: Secret, seconds: int, body: bytes) -> str:
    """HMAC-SHA-256 of the time and the body, in hexadecimal: who checks it also refuses what is old."""
    return hmac.new(secret.reveal().encode(), b"%d.%b" % (seconds, body), hashlib.sha256).hexdigest()


def webhook_body(notice: Notice) -> bytes:
    """What a webhook gets."""
    condition = notice.condition
    return encode_json(
        {
            "id": condition.key,
            "state": notice.state,
            "rule": condition.on.value,
            "severity": condition.severity.value,
            "title": condition.title,
            "text": condition.text,
            "since": rfc3339_ns(notice.since_wall_ns),
            "at": rfc3339_ns(notice.at_wall_ns),
        }
    )


def slack_body(notice: Notice) -> bytes:
    """What Slack shows. Names in it are callers': `&`, `<` and `>` are escaped, so that none of them is a link or a mention."""
    condition = notice.condition
    mark = ":white_check_mark:" if notice.state == "resolved" else _MARKS[condition.severity.value]
    title = f"{mark} *{'Over: ' if notice.state == 'resolved' else ''}{_escaped(condition.title)}*"
    return encode_json({"text": f"{title}\n{_escaped(condition.text)}" if condition.text else title})


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def message_of(notice: Notice, sender: str, receivers: Sequence[str]) -> EmailMessage:
    """The e-mail."""
    condition = notice.condition
    word = "Over" if notice.state == "resolved" else condition.severity.value.capitalize()
    message = EmailMessage()
    message["From"], message["To"] = sender, ", ".join(receivers)
    message["Subject"] = " ".join(f"[Weighbridge] {word}: {condition.title}".split())  # a header has one line
    message.set_content(f"{condition.title}\n\n{condition.text}\n\nSince {rfc3339_ns(notice.since_wall_ns)}.\n")
    return message


def _send_mail(server: MailServer, message: EmailMessage) -> None:
    context = ssl.create_default_context()
    if server.tls == "implicit":
        connected: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=_SMTP_S, context=context)
    else:
        connected = smtplib.SMTP(server.host, server.port, timeout=_SMTP_S)
    with connected as connection:
        if server.tls == "starttls":
            connection.starttls(context=context)
        if server.user:
            connection.login(server.user, server.password.reveal() if server.password is not None else "")
        connection.send_message(message)
