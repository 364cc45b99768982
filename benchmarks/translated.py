"""CPU of whole exchanges that are translated, over sockets, in turns with the same exchange forwarded.

`translation` has what reading and writing the dialects takes; this is all that the gateway does, books included.
"""

from __future__ import annotations

import http.client
from statistics import median

from rich.console import Console

from benchmarks.findings import Section, Value, raw, verdict
from benchmarks.load import Sample, body_file, measure
from benchmarks.messages import GATEWAY_KEY, SMALL, STREAM_TOGETHER, TRANSLATED, TRANSLATED_STREAM, Payload
from benchmarks.progress import steps
from benchmarks.rig import Options, Rig
from benchmarks.servers import GATEWAY, Server, ServerError
from benchmarks.targets import TRANSLATED_CPU_US

_CONNECTIONS = 64
_ROUNDS, _SECONDS = 5, 2
_QUICK_ROUNDS, _QUICK_SECONDS = 1, 1
_PAIRS = ((TRANSLATED, SMALL), (TRANSLATED_STREAM, STREAM_TOGETHER))
"""Each translated exchange (its `reply` is what must be in the answer) with the forwarded one beside it."""


def run(rig: Rig, options: Options, console: Console) -> Section:
    """Anthropic's dialect to an OpenAI chat target and back; raises ServerError where an answer is none."""
    rounds, seconds = (_QUICK_ROUNDS, _QUICK_SECONDS) if options.quick else (_ROUNDS, _SECONDS)
    server = next((each for each in rig.measured if each.name == GATEWAY), None)
    if server is None:
        msg = "only the gateway translates, and it is not measured"
        raise ServerError(msg)
    rows: list[list[Value]] = []
    samples: list[Sample] = []
    with steps(console, "translated", rounds * 2 * len(_PAIRS)) as step:
        for translated, forwarded in _PAIRS:
            _verify(server, translated)
            taken: dict[str, list[Sample]] = {translated.path: [], forwarded.path: []}
            for _ in range(rounds):
                for payload in (translated, forwarded):
                    step(f"{payload.name} {payload.path}")
                    with body_file(payload) as body:
                        taken[payload.path].append(
                            measure(server, body, connections=_CONNECTIONS, seconds=seconds, path=payload.path)
                        )
            rows.append(_row(translated.name, taken[translated.path], taken[forwarded.path]))
            samples += [each for some in taken.values() for each in some]
    return Section(
        name="translated",
        title="CPU per request of whole translated exchanges, Anthropic to OpenAI chat",
        columns=["request", "CPU µs", "worker µs", "forwarded CPU µs", "forwarded worker µs", "target", "verdict", "failures"],
        rows=rows,
        notes=[f"{_CONNECTIONS} connections. Medians of {rounds} rounds of {seconds} s, in turns."],
        samples=[raw(each) for each in samples],
    )


def _row(name: str, translated: list[Sample], forwarded: list[Sample]) -> list[Value]:
    cpu_us = _median([each.cpu_us_per_request for each in translated])
    target, judgement = (f"≤ {TRANSLATED_CPU_US:g} µs", verdict(cpu_us, TRANSLATED_CPU_US)) if name == TRANSLATED.name else ("", "")
    return [
        name,
        cpu_us,
        _median([each.worker_us_per_request for each in translated]),
        _median([each.cpu_us_per_request for each in forwarded]),
        _median([each.worker_us_per_request for each in forwarded]),
        target,
        judgement,
        sum(each.failures for each in (*translated, *forwarded)),
    ]


def _median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _verify(server: Server, payload: Payload) -> None:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    headers = {"x-api-key": GATEWAY_KEY, "anthropic-version": "2023-06-01", "content-type": "application/json"}
    try:
        connection.request("POST", server.base_path + payload.path, payload.body, headers)
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    if response.status != 200 or payload.reply not in body:
        msg = f"{server.name} did not translate a {payload.name} request: status {response.status}, {body[:300]!r}"
        raise ServerError(msg)
