"""`weighbridge explain`: who would be asked for a request, and why, without sending it."""

# ruff: noqa: PLC0415 -- what is slow to import is imported when the command runs, so that `--help` is quick
from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weighbridge.cli.config_file import ConfigOption, read_config
from weighbridge.cli.console import CliError, note, say, show_table

if TYPE_CHECKING:
    from weighbridge.pipeline.explain import Explanation

_MS = 1e3


def explain(
    request: Annotated[Path, typer.Argument(help="A file with the request as JSON; `-` reads standard input.")],
    config: ConfigOption = None,
    *,
    path: Annotated[str, typer.Option(help="Where the request would be sent.")] = "/v1/chat/completions",
    url: Annotated[str | None, typer.Option(help="Ask a running gateway, which knows how its targets do.")] = None,
    key: Annotated[str, typer.Option(envvar="WEIGHBRIDGE_API_KEY", help="A virtual key, for a running gateway.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell who would be asked for a request, in which order, with which changes, and who not."""
    body = sys.stdin.buffer.read() if str(request) == "-" else _contents(request)
    answer = _asked(url, key, path, body) if url is not None else _decided(config, path, body)
    if as_json:
        say(answer.decode())
        return
    _draw(answer)


def _contents(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise CliError(f"{file} cannot be read: {error.strerror}") from None


def _wrapped(path: str, body: bytes) -> bytes:
    from msgspec import Raw

    from weighbridge.core.codec import JsonError, decode_json, encode_json

    try:
        decode_json(body)
    except JsonError:
        raise CliError("the request is not JSON") from None
    return encode_json({"path": path, "body": Raw(body)})


def _asked(url: str, key: str, path: str, body: bytes) -> bytes:
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    if not url.startswith(("http://", "https://")):
        raise CliError("--url must begin with http:// or https://")
    request = Request(f"{url.rstrip('/')}/v1/explain", _wrapped(path, body), {"authorization": f"Bearer {key}"})  # noqa: S310
    try:
        with urlopen(request, timeout=30) as reply:  # noqa: S310 - checked above
            answer: bytes = reply.read()
            return answer
    except HTTPError as error:
        raise CliError(f"the gateway refused: {error.read().decode('utf-8', 'replace')}") from None
    except (URLError, OSError) as error:
        raise CliError(f"{url} could not be reached: {error}") from None


def _decided(config: Path | None, path: str, body: bytes) -> bytes:
    """The decision by the configuration alone: nothing is known of how targets do."""
    from weighbridge.config.compile import compile_plan
    from weighbridge.core.clock import SystemClock, SystemRng
    from weighbridge.core.errors import GatewayError
    from weighbridge.pipeline.explain import explained

    plan = compile_plan(read_config(config), version=1, stored_keys=())
    try:
        return explained(plan, _wrapped(path, body), SystemClock(), SystemRng(0))
    except GatewayError as error:
        raise CliError(error.public) from None


def _draw(answer: bytes) -> None:
    import msgspec

    from weighbridge.pipeline.explain import Explanation

    told = msgspec.json.decode(answer, type=Explanation)
    show_table(
        ["", "target", "as", "edits", "state", "in flight", "most output", "cost in $"],
        [
            (
                str(place),
                choice.target,
                choice.format or "forwarded",
                choice.refused or ", ".join(choice.edits) or "none",
                choice.state + (f", {choice.retry_in_ms / _MS:.0f} s" if choice.retry_in_ms else ""),
                str(choice.in_flight),
                "" if (bound := choice.output_bound) is None else f"{bound.tokens:,} ({bound.source})",
                "unknown" if choice.cost_usd is None else f"{choice.cost_usd[0]:.6f} to {choice.cost_usd[1]:.6f}",
            )
            for place, choice in enumerate(told.candidates, 1)
        ],
    )
    if told.lost:
        show_table(["not asked", "because"], [(each.target, each.reason) for each in told.lost])
    note(_summary(told))


def _summary(told: Explanation) -> str:
    extras = [word for word, holds in (("hedged", told.hedged), ("continued mid-stream", told.midstream)) if holds]
    return f"{told.model}: strategy {told.strategy}, up to {told.attempts} attempts" + "".join(f", {extra}" for extra in extras)
