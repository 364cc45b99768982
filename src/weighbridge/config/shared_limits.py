"""Where a configuration has the limits kept that gateways share."""

from __future__ import annotations

from weighbridge.config import schema
from weighbridge.config.shared_limit_fields import parse_address
from weighbridge.limits.shared import SharedLimitsPlace


def compile_shared_limits(config: schema.Config, member: str) -> SharedLimitsPlace | None:
    """The place, for a host of this lasting name; None where each gateway has limits of its own."""
    written = config.shared_limits
    if written is None:
        return None
    address = parse_address(written.url.reveal())
    return SharedLimitsPlace(
        host=address.host,
        port=address.port,
        path=address.path,
        user=address.user,
        password=address.password,
        database=address.database,
        tls=written.tls.compiled() if address.has_tls else None,
        prefix=written.prefix,
        wait_ns=written.wait,
        refuses=written.on_outage == "refuse",
        hosts=written.gateways,
        member=member,
    )
