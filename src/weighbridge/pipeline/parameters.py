"""Parameters that a route sets for a target: defaults where the request says nothing, overrides whatever it says."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from weighbridge.core.codec import encode_json
from weighbridge.core.routes import Parameter
from weighbridge.pipeline.exchange import Exchange
from weighbridge.pipeline.target import OUTPUT_PARAMETERS, Target
from weighbridge.wire.envelope import Envelope, Splice

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def parameter_splices(exchange: Exchange, target: Target, envelope: Envelope) -> list[Splice]:
    """What to change in a body that is forwarded; each change is named among the edits. Raises `GatewayError` INVALID_REQUEST where
    a name with a dot leads into what is no object."""
    splices: list[Splice] = []
    defaults, overrides = _in_force(exchange, target)
    for parameter in defaults:
        if not _has(envelope, parameter.name):
            splices += _put(envelope, parameter)
            exchange.edits.append(f"default:{parameter.name}")
    for parameter in overrides:
        splices += _put(envelope, parameter)
        exchange.edits.append(f"override:{parameter.name}")
    return splices


def with_parameters(exchange: Exchange, target: Target, body: bytes) -> bytes:
    """The same for a body that was written anew."""
    if not target.defaults and not target.overrides:
        return body
    members: dict[str, object] = dict(_members(body))
    defaults, overrides = _in_force(exchange, target)
    for parameters, word, replaces in ((defaults, "default", False), (overrides, "override", True)):
        for parameter in parameters:
            if _set(members, parameter, replaces=replaces):
                exchange.edits.append(f"{word}:{parameter.name}")
    return encode_json(members)


def _in_force(exchange: Exchange, target: Target) -> tuple[Sequence[Parameter], Sequence[Parameter]]:
    """The defaults and overrides that count: none for the bound on the output where the gateway has set a lower one."""
    if not exchange.output_cap:
        return target.defaults, target.overrides
    return _of_others(target.defaults), _of_others(target.overrides)


def _of_others(parameters: Sequence[Parameter]) -> Sequence[Parameter]:
    return [parameter for parameter in parameters if parameter.name not in OUTPUT_PARAMETERS]


def _has(envelope: Envelope, name: str) -> bool:
    outer, dot, inner = name.partition(".")
    if not dot:
        return envelope.has(outer)
    nested = envelope.nested(outer) if envelope.has(outer) else None
    return nested is not None and nested.has(inner)


def _put(envelope: Envelope, parameter: Parameter) -> list[Splice]:
    outer, dot, inner = parameter.name.partition(".")
    return envelope.put_nested(outer, inner, parameter.json) if dot else envelope.put(outer, parameter.json)


def _set(members: dict[str, object], parameter: Parameter, *, replaces: bool) -> bool:
    outer, dot, inner = parameter.name.partition(".")
    if not dot:
        if outer in members and not replaces:
            return False
        members[outer] = msgspec.Raw(parameter.json)
        return True
    held = members.get(outer)
    nested: dict[str, object] = dict(_members(held)) if isinstance(held, msgspec.Raw) and bytes(held)[:1] == b"{" else {}
    if inner in nested and not replaces:
        return False
    nested[inner] = msgspec.Raw(parameter.json)
    members[outer] = msgspec.Raw(encode_json(nested))
    return True
