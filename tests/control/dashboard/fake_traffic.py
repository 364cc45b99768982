"""Requests as a gateway would have settled them, the same from each seed: what the fake gateway tells the dashboard about."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

# Whoever may name a key or a model may try to run something in an operator's browser.
HOSTILE_KEY = "<img src=x onerror=\"document.title='owned'\">"
HOSTILE_MODEL = "\"><script>document.title='owned'</script>"

KEYS = (
    ("key_" + "0" * 23 + "1", "checkout-web", "payments", "maria@example.com", "acme"),
    ("key_" + "0" * 23 + "2", "support-bot", "support", "jonas@example.com", "acme"),
    ("key_" + "0" * 23 + "3", "nightly-evals", "research", "wei@example.com", "acme"),
    ("key_" + "0" * 23 + "4", "code-review", "platform", "amara@example.com", "acme"),
    ("key_" + "0" * 23 + "5", HOSTILE_KEY, 'R&D "north"', "", "umbra"),
)
# provider, model, dollars a million tokens in and out, milliseconds to the first byte, share of the traffic
TARGETS = (
    ("openai", "gpt-5", 1.25, 10.0, 620, 9),
    ("anthropic", "claude-sonnet-4-5", 3.0, 15.0, 780, 8),
    ("openai", "gpt-5-mini", 0.25, 2.0, 340, 11),
    ("gemini", "gemini-2.5-flash", 0.3, 2.5, 290, 7),
    ("bedrock", "anthropic.claude-haiku-4-5-v1:0", 1.0, 5.0, 510, 4),
    ("local", HOSTILE_MODEL, None, None, 950, 1),
)
ERRORS = ("rate_limited", "provider_timeout", "provider_overloaded", "invalid_request", "client_left")
STATUS = {"rate_limited": 429, "provider_timeout": 504, "provider_overloaded": 529, "invalid_request": 400, "client_left": 499}
DAYS = 16


def made_traffic(now: datetime, n: int = 4_000, seed: int = 7) -> list[dict]:
    """`n` requests of the last days, newest first."""
    rng = random.Random(seed)
    requests = [_request(rng, index, now - _age(rng, index, n)) for index in range(n)]
    return sorted(requests, key=lambda each: each["at"], reverse=True)


def _age(rng: random.Random, index: int, n: int) -> timedelta:
    # Most of it lately, and less at night: a flat line would hide what charts do wrong.
    days = DAYS * (index / n) ** 1.6
    return timedelta(days=days, seconds=rng.uniform(0, 600))


def _request(rng: random.Random, index: int, at: datetime) -> dict:
    key_id, key_name, team, user, organisation = rng.choices(KEYS, (9, 7, 4, 5, 1))[0]
    provider, model, rate_in, rate_out, first_ms, _share = rng.choices(TARGETS, [each[5] for each in TARGETS])[0]
    error = rng.choice(ERRORS) if rng.random() < 0.035 + 0.03 * math.sin(at.hour) ** 8 else None
    first = first_ms * rng.lognormvariate(0, 0.35)
    used = _usage(rng, error)
    duration = first + used["output"] * rng.uniform(4, 9)
    cost = _cost(used, rate_in, rate_out)
    attempts = _attempts(rng, provider, model, error, first, duration, used, cost)
    known = used["provenance"] != "unknown"
    return {
        "id": f"req_{seed_hex(rng)}{index:08x}",
        "at": at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "key_id": key_id,
        "key_name": key_name,
        "team": team,
        "user": user,
        "organisation": organisation,
        "end_user": rng.choice(("u-1041", "u-2210", "u-0007", "")),
        "session": f"run-{index // 40}" if key_name in ("code-review", "nightly-evals") else "",
        "tags": ["batch"] if key_name == "nightly-evals" else [f"env={'test' if index % 3 else 'prod'}"],
        "route": "smart" if provider in ("openai", "anthropic") and model != "gpt-5-mini" else f"{provider}/{model}",
        "requested_model": "smart" if provider in ("openai", "anthropic") and model != "gpt-5-mini" else model,
        "provider": provider,
        "model": model,
        "dialect": "anthropic" if provider == "anthropic" else "openai",
        "operation": "messages" if provider == "anthropic" else "chat",
        "status": STATUS[error] if error else 200,
        "error": error,
        "is_stream": rng.random() < 0.6,
        "finish_reason": None if error else "stop",
        "input_tokens": used["input"] + used["cache_read"] + used["cache_write_5m"] if known else 0,
        "cache_read_tokens": used["cache_read"],
        "cache_write_tokens": used["cache_write_5m"],
        "output_tokens": used["output"],
        "reasoning_tokens": used["reasoning"],
        "usage_provenance": used["provenance"],
        "cost_nanousd": cost,
        "price_state": "unknown" if cost is None else "estimated" if used["provenance"] == "estimated" else "known",
        "duration_ms": round(duration, 3),
        "first_byte_ms": None if error == "provider_timeout" else round(first, 3),
        "overhead_ms": round(rng.lognormvariate(-1.6, 0.4), 4),
        "attempts": len(attempts),
        "_attempts": attempts,
        "_saved": 0 if rate_in is None else int(used["cache_read"] * rate_in * 0.9 * 1_000),
    }


def seed_hex(rng: random.Random) -> str:
    return f"{rng.getrandbits(48):012x}"


def _usage(rng: random.Random, error: str | None) -> dict:
    if error in ("rate_limited", "provider_overloaded", "invalid_request", "provider_timeout"):
        zero = dict.fromkeys(("input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning"), 0)
        return {**zero, "provenance": "unknown" if error == "provider_timeout" else "derived"}
    whole = int(rng.lognormvariate(9.2, 0.9))
    cached = int(whole * rng.choice((0, 0, 0.5, 0.8)))
    output = int(rng.lognormvariate(6.1, 0.8))
    return {
        "input": whole - cached,
        "cache_read": cached,
        "cache_write_5m": int(whole * 0.1) if cached == 0 and whole > 4_000 else 0,
        "cache_write_1h": 0,
        "output": output,
        "reasoning": int(output * rng.choice((0, 0, 0.4))),
        "provenance": "estimated" if error == "client_left" else "reported",
    }


def _cost(used: dict, rate_in: float | None, rate_out: float | None) -> int | None:
    if rate_in is None or rate_out is None or used["provenance"] == "unknown":
        return None
    # Dollars a million tokens are thousands of nano-dollars a token.
    thousandths = used["input"] * rate_in + used["cache_read"] * rate_in * 0.1 + used["cache_write_5m"] * rate_in * 1.25
    return round((thousandths + used["output"] * rate_out) * 1_000)


def made_bill(model: str, used: dict, cost: int) -> dict:
    """Output at a price, and input at whatever is left."""
    rate = Decimal("0.000002")
    output = used["output"] * rate
    rest = Decimal(cost) / 10**9 - output
    lines = [
        {"what": "input", "count": used["input"], "rate_usd": "0.00000125", "amount_usd": format(rest, "f")},
        {"what": "output", "count": used["output"], "rate_usd": format(rate, "f"), "amount_usd": format(output, "f")},
    ]
    return {
        "amount_nanousd": cost,
        "lines": [{"model": model, **line} for line in lines],
        "sources": ["a list, https://prices.example"],
    }


def _attempts(rng, provider, model, error, first, duration, used, cost) -> list[dict]:
    def attempt(**more) -> dict:
        state = "unknown" if cost is None else "estimated" if used["provenance"] == "estimated" else "known"
        base = {
            "provider": provider,
            "model": model,
            "credential": f"{provider}#1",
            "status": STATUS[error] if error else 200,
            "error": error,
            "usage": used,
            "sent_ms": 0.4,
            "first_byte_ms": None if error == "provider_timeout" else round(first, 3),
            "end_ms": round(duration, 3),
            "cost_nanousd": cost,
            "price_state": state,
            "reserved_nanousd": 3 * (cost or 1_000_000),
            "bill": made_bill(model, used, cost) if cost else None,
            "apart": [],
        }
        return {**base, **more}

    if error or rng.random() > 0.06:
        return [attempt()]
    nothing = {**dict.fromkeys(used, 0), "provenance": "derived"}
    failed_at = round(first * 0.4, 3)
    failed = attempt(
        provider="openai",
        model="gpt-5",
        credential="openai#2",
        status=429,
        error="rate_limited",
        usage=nothing,
        first_byte_ms=failed_at,
        end_ms=failed_at,
        cost_nanousd=0,
        price_state="known",
        bill=None,
    )
    return [failed, attempt(sent_ms=failed_at + 0.3)]
