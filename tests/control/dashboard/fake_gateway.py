"""The control plane and a little of the data plane, as far as the dashboard talks to them: the contract's shapes over made traffic.

Figures are computed from one list of requests, so that every page must agree with every other.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from tests.control.dashboard.fake_people import people_router
from tests.control.dashboard.fake_traffic import made_traffic

from weighbridge.control.control_site import control_site
from weighbridge.core.codec import decode_json

ADMIN_KEY = "wb-an-admin-key-of-the-fake-gateway"
PASSWORD = "correct horse battery staple"
CSRF = "csrf-of-the-fake-gateway"
SAID = "Just so. <img src=x onerror=\"document.title='taken over'\">"
"""What one of the users thinks of an answer, and would like to do to whoever reads it."""
IN_SUMS = {"key", "team", "user", "organisation", "route", "provider", "model"}
"""Only of these the gateway knows how long requests took."""
DIMENSIONS = (
    "key",
    "user",
    "team",
    "organisation",
    "end_user",
    "route",
    "model",
    "provider",
    "tag",
    "session",
    "error",
    "dialect",
    "rating",
    "label",
)
INTERVALS = ("none", "minute", "hour", "day", "month")
SUMS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")


class World:
    """What the gateway holds. A test adds to it and looks at what was asked."""

    def __init__(self, n: int = 4_000) -> None:
        self.now = datetime.now(UTC)
        self.requests = made_traffic(self.now, n)
        self.sessions: set[str] = set()
        self.ways = {"password": True, "oidc": None}
        self.asked: list[tuple[str, str]] = []
        self.reloads = 0
        self.cleared: list[str] = []
        self.budgets = made_budgets(self.now)
        self.limits = [
            {
                "id": "lim_1",
                "scope": {"kind": "key", "name": "*"},
                "measure": "requests",
                "amount": 600,
                "per_ns": 60_000_000_000,
                "burst": None,
                "source": "config",
            },
        ]
        usd = 1_000_000_000
        self.credits = [
            made_credits("cra_acme", {"kind": "organisation", "name": "acme"}, 500 * usd, 212 * usd + 431_870_001),
            made_credits("cra_lone", {"kind": "team", "name": "support"}, 20 * usd, 19 * usd, alert_below=2 * usd),
        ]
        self.next_id = 0
        self.alerts: list[dict] = []

    def fresh(self, prefix: str) -> str:
        self.next_id += 1
        return f"{prefix}_{self.next_id:024x}"


def made_budgets(now: datetime) -> list[dict]:
    resets = (now.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=32)).replace(day=1)

    def budget(id_, kind, name, amount, spent, held=0, period="month", source="config", unit="usd"):
        account = {
            "subject": name if name not in ("", "*") else "checkout-web" if name == "*" else "",
            "period_start": now.replace(day=1).isoformat(),
            "resets_at": None if period == "total" else resets.isoformat(),
            "spent": spent,
            "held": held,
            "left": amount - spent - held,
        }
        return {
            "id": id_,
            "scope": {"kind": kind, "name": name},
            "amount": amount,
            "unit": unit,
            "period": period,
            "timezone": "UTC",
            "is_hard": True,
            "on_shortage": "lower",
            "alert_at_ppm": [800_000, 1_000_000],
            "source": source,
            "accounts": [account],
        }

    usd = 1_000_000_000
    return [
        budget("bud_gateway", "gateway", "", 400 * usd, 212 * usd + 431_870_000, 2 * usd),
        budget("bud_research", "team", "research", 60 * usd, 56 * usd + 120_000_000, usd),
        budget("bud_support", "team", "support", 80 * usd, 31 * usd),
        budget("bud_keys", "key", "*", 25 * usd, 25 * usd, period="day"),
        budget("bud_tokens", "user", "wei@example.com", 50_000_000, 12_400_000, source="store", unit="tokens", period="week"),
        # More nano-dollars than a JavaScript number holds exactly.
        budget("bud_huge", "organisation", "acme", 9_007_199_254_740_993_001, 9_007_199_254_740_993, period="total"),
    ]


def fake_gateway(world: World):
    """The application, dashboard included."""
    admin = FastAPI(openapi_url="/admin/v1/openapi.json", docs_url=None, redoc_url=None)

    @admin.middleware("http")
    async def rim(request: Request, call_next):
        path = request.url.path
        world.asked.append((request.method, str(request.url.path) + ("?" + request.url.query if request.url.query else "")))
        is_open = (path == "/admin/v1/session" and request.method in ("GET", "POST")) or path == "/admin/v1/session/ways"
        if path.startswith("/admin/v1/") and not is_open:
            if request.cookies.get("session") not in world.sessions:
                return refused(401, "missing_session", "sign in first")
            if request.method not in ("GET", "HEAD") and request.headers.get("x-csrf-token") != CSRF:
                return refused(403, "csrf", "the token against forged requests is missing")
        return await call_next(request)

    @admin.exception_handler(HTTPException)
    async def told(_request, error: HTTPException):
        return refused(error.status_code, "refused", str(error.detail))

    for add in (add_session, add_usage, add_requests, add_money, add_gateway, add_data_plane):
        add(admin, world)
    admin.include_router(people_router(world), prefix="/admin/v1")
    return control_site(admin)


def refused(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": {"type": "invalid_request", "code": code, "message": message}}, status)


def add_session(app: FastAPI, world: World) -> None:
    user = {"name": "Ada Lovelace", "role": "admin"}

    @app.post("/admin/v1/session")
    async def sign_in(request: Request):
        told = decode_json(await request.body())
        if told.get("admin_key") != ADMIN_KEY and told.get("password") != PASSWORD:
            return refused(401, "wrong", "this key is unknown or revoked" if "admin_key" in told else "e-mail or password is wrong")
        token = world.fresh("ses")
        world.sessions.add(token)
        answer = JSONResponse({"csrf_token": CSRF, "user": user})
        answer.set_cookie("session", token, httponly=True, samesite="strict")
        return answer

    @app.get("/admin/v1/session")
    async def who(request: Request):
        if request.cookies.get("session") not in world.sessions:
            return refused(401, "missing_session", "nobody is signed in")
        return {"csrf_token": CSRF, "user": user}

    @app.get("/admin/v1/session/ways")
    async def ways():
        return world.ways

    @app.delete("/admin/v1/session", status_code=204)
    async def sign_out(request: Request):
        world.sessions.discard(request.cookies.get("session", ""))
        return Response(status_code=204)


def instant(text: str, now: datetime) -> datetime:
    if text == "now":
        return now
    if found := re.fullmatch(r"-(\d+)([mhd])", text):
        return now - timedelta(**{{"m": "minutes", "h": "hours", "d": "days"}[found[2]]: int(found[1])})
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise HTTPException(400, f"no time: {text}") from None


def value_of(each: dict, dimension: str):
    match dimension:
        case "model":
            return f"{each['provider']}/{each['model']}"
        case "key":
            return each["key_id"]
        case "tag":
            return each["tags"][0] if each["tags"] else ""
        case property if property.startswith("property."):
            name, _, value = value_of(each, "tag").partition("=")
            return value if name == property.removeprefix("property.") else ""
        case _:
            return each[dimension]


def chosen(world: World, request: Request, own: tuple[str, ...]) -> tuple[list[dict], datetime, datetime]:
    query = request.query_params
    unknown = set(query.keys()) - {"from", "to", *DIMENSIONS, *own}
    if unknown:
        raise HTTPException(400, f"{unknown.pop()}: Extra inputs are not permitted")
    now = datetime.now(UTC)
    start, end = instant(query.get("from", "-24h"), now), instant(query.get("to", "now"), now)
    rows = [each for each in world.requests if start <= datetime.fromisoformat(each["at"]) < end]
    for dimension in DIMENSIONS:
        if wanted := query.getlist(dimension):
            rows = [each for each in rows if (value_of(each, dimension) or "") in wanted]
    return rows, start, end


def floor_to(at: datetime, interval: str) -> str | None:
    at = at.replace(second=0, microsecond=0)
    match interval:
        case "none":
            return None
        case "hour":
            at = at.replace(minute=0)
        case "day":
            at = at.replace(minute=0, hour=0)
        case "month":
            at = at.replace(minute=0, hour=0, day=1)
    return at.isoformat().replace("+00:00", "Z")


def quantiles(values: list[float]) -> dict | None:
    ranked = sorted(value for value in values if value is not None)
    if not ranked:
        return None
    return {
        name: ranked[min(len(ranked) - 1, int(len(ranked) * share))] for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
    }


def summed(rows: list[dict]) -> dict:
    saved = [each["_saved"] for each in rows]
    return {
        "requests": len(rows),
        "errors": sum(each["error"] is not None for each in rows),
        **{name: sum(each[name] for each in rows) for name in SUMS},
        "cost_nanousd": sum(each["cost_nanousd"] or 0 for each in rows),
        "estimated_nanousd": sum(each["cost_nanousd"] or 0 for each in rows if each["price_state"] == "estimated"),
        "unknown_costs": sum(attempt["cost_nanousd"] is None for each in rows for attempt in each["_attempts"]),
        "cache_saved_nanousd": sum(saved),
        "fallbacks": sum(each["attempts"] > 1 and each["error"] is None for each in rows),
        **{name: quantiles([each[name] for each in rows]) for name in ("duration_ms", "first_byte_ms", "overhead_ms")},
    }


def add_usage(app: FastAPI, world: World) -> None:
    @app.get("/admin/v1/usage")
    async def usage(request: Request):
        rows, start, end = chosen(world, request, ("interval", "group_by", "percentiles", "top", "order_by"))
        interval, by = request.query_params.get("interval", "none"), request.query_params.getlist("group_by")
        if (
            interval not in INTERVALS
            or len(by) > 2
            or any(name not in DIMENSIONS and not name.startswith("property.") for name in by)
        ):
            raise HTTPException(400, "interval or group_by")
        wanted = request.query_params.get("percentiles", str(not by or (len(by) == 1 and interval == "none")).lower())
        untold = {} if wanted == "true" and set(by) <= IN_SUMS else dict.fromkeys(("duration_ms", "first_byte_ms", "overhead_ms"))
        groups: dict = {}
        for each in rows:
            place = (floor_to(datetime.fromisoformat(each["at"]), interval), *(value_of(each, name) for name in by))
            groups.setdefault(place, []).append(each)
        data = [
            {"start": place[0], "group": dict(zip(by, place[1:], strict=True)), **summed(found), **untold}
            for place, found in groups.items()
        ]
        most: dict = {}
        for row in data:
            group = tuple(row["group"].values())
            most[group] = most.get(group, 0) + row[request.query_params.get("order_by", "cost_nanousd")]
        top = int(request.query_params.get("top", len(most)))
        if len(most) > top:
            kept = set(sorted(most, key=lambda group: -most[group])[:top])
            rest: dict = {}
            for place, found in groups.items():
                if place[1:] not in kept:
                    rest.setdefault(place[0], []).extend(found)
            nameless = dict.fromkeys(by)
            data = [row for row in data if tuple(row["group"].values()) in kept]
            data += [{"start": start, "group": nameless, **summed(found), **untold} for start, found in rest.items()]
        data.sort(key=lambda row: (row["start"] or "", -row["requests"]))
        return {
            "from": start.isoformat(),
            "to": end.isoformat(),
            "interval": interval,
            "group_by": by,
            "data": data,
            "is_complete": True,
            "n_groups": len(most),
        }


def shown(each: dict) -> dict:
    return {name: value for name, value in each.items() if not name.startswith("_")}


def add_requests(app: FastAPI, world: World) -> None:
    @app.get("/admin/v1/requests")
    async def requests(request: Request):
        query = request.query_params
        rows, _start, _end = chosen(world, request, ("limit", "cursor", "status", "min_cost_nanousd", "is_stream", "request_id"))
        if status := query.getlist("status"):
            rows = [each for each in rows if str(each["status"]) in status]
        if least := query.get("min_cost_nanousd"):
            rows = [each for each in rows if (each["cost_nanousd"] or 0) >= int(least)]
        if stream := query.get("is_stream"):
            rows = [each for each in rows if each["is_stream"] is (stream == "true")]
        if request_id := query.get("request_id"):
            rows = [each for each in rows if each["id"] == request_id]
        limit, cursor = int(query.get("limit", "50")), query.get("cursor")
        if not 1 <= limit <= 200:
            raise HTTPException(400, "limit")
        first = next((index + 1 for index, each in enumerate(rows) if each["id"] == cursor), 0)
        page = rows[first : first + limit]
        more = len(rows) > first + limit
        return {"data": [shown(each) for each in page], "has_more": more, "next_cursor": page[-1]["id"] if more else None}

    @app.get("/admin/v1/requests/{request_id}")
    async def one(request_id: str):
        each = next((each for each in world.requests if each["id"] == request_id), None)
        if each is None:
            raise HTTPException(404, "there is no such request")
        cost = each["cost_nanousd"]
        entries = (
            []
            if not cost
            else [
                {
                    "id": f"ent_{each['id'][4:]}_{index}",
                    "debit": debit,
                    "credit": f"provider:{each['provider']}",
                    "amount_nanousd": cost,
                    "kind": "charge",
                    "at": each["at"],
                }
                for index, debit in enumerate((f"key:{each['key_id']}", f"team:{each['team']}"))
            ]
        )
        return {
            **shown(each),
            "edits": ["model"] if each["route"] == "smart" else [],
            "method": "POST",
            "path": "/v1/messages" if each["dialect"] == "anthropic" else "/v1/chat/completions",
            "request_bytes": 4 * each["input_tokens"],
            "reply_bytes": 5 * each["output_tokens"],
            "config_version": 3,
            "attempts": each["_attempts"],
            "entries": entries,
            "corrections": [
                {
                    "id": "cor_1",
                    "reason": "the list came late",
                    "at": world.now.isoformat(),
                    "attempt": 0,
                    "cost_nanousd": 1_250_000,
                }
            ],
            "feedback": [{"id": "fbk_1", "at": each["at"], "rater": "u-1041", "score": 0.75, "label": "right", "comment": SAID}],
            "has_payload": True,
        }

    @app.get("/admin/v1/requests/{request_id}/payload")
    async def payload(request_id: str):
        return {
            "request": '{"messages":[{"role":"user","content":"' + SAID.replace('"', '\\"') + '"}]}',
            "request_bytes": 70,
            "request_is_whole": True,
            "reply": "Once upon a time",
            "reply_bytes": 900_000,
            "reply_is_whole": False,
            "reply_type": "text/event-stream",
            "expires_at": (world.now + timedelta(days=7)).isoformat(),
        }


def add_money(app: FastAPI, world: World) -> None:
    @app.get("/admin/v1/alerts")
    async def alerts():
        return {"data": world.alerts}

    @app.get("/admin/v1/statements/{month}")
    async def statement(month: str, payer: str = "gateway", name: str = ""):
        return {"month": month, "payer": {"kind": payer, "name": name}}

    @app.get("/admin/v1/ledger/accounts")
    async def accounts(prefix: str = ""):
        booked: dict[str, list[int]] = {}
        for each in world.requests:
            if each["cost_nanousd"]:
                booked.setdefault(f"key:{each['key_name']}", [0, 0, 0])[0] += each["cost_nanousd"]
                booked[f"key:{each['key_name']}"][2] += 1
                booked.setdefault(f"provider:{each['provider']}", [0, 0, 0])[1] += each["cost_nanousd"]
                booked[f"provider:{each['provider']}"][2] += 1
        return {
            "data": [
                {
                    "account": name,
                    "debits_nanousd": debits,
                    "credits_nanousd": credits_,
                    "balance_nanousd": debits - credits_,
                    "entries": n,
                }
                for name, (debits, credits_, n) in sorted(booked.items())
                if name.startswith(prefix)
            ]
        }

    @app.get("/admin/v1/ledger/verify")
    async def verify():
        return {"is_sound": True, "problems": [], "n_entries": 2 * len(world.requests)}

    for name, held, prefix in (("budgets", world.budgets, "bud"), ("limits", world.limits, "lim")):
        add_allowances(app, world, name, held, prefix)

    add_credits(app, world)


def add_credits(app: FastAPI, world: World) -> None:
    def shown(account: dict) -> dict:
        return {name: value for name, value in account.items() if name != "given"}

    @app.get("/admin/v1/credits")
    async def every():
        return {"data": [shown(each) for each in world.credits]}

    @app.post("/admin/v1/credits", status_code=201)
    async def give(request: Request):
        told = decode_json(await request.body())
        account = next((each for each in world.credits if each["payer"] == told["payer"]), None)
        if account is None:
            account = made_credits(world.fresh("cra"), told["payer"], 0)
            world.credits.append(account)
        account["given_nanousd"] += told["amount_nanousd"]
        account["balance_nanousd"] += told["amount_nanousd"]
        account["given"].insert(0, {**told, "id": world.fresh("crd"), "created_at": world.now.isoformat(), "actor": "key:root"})
        return shown(account)

    @app.get("/admin/v1/credits/{id_}")
    async def one(id_: str):
        return shown(next(each for each in world.credits if each["id"] == id_))

    @app.get("/admin/v1/credits/{id_}/given")
    async def given(id_: str):
        return {"data": next(each for each in world.credits if each["id"] == id_)["given"]}

    @app.patch("/admin/v1/credits/{id_}")
    async def change(id_: str, request: Request):
        account = next(each for each in world.credits if each["id"] == id_)
        account.update(decode_json(await request.body()))
        return shown(account)


def made_credits(id_: str, payer: dict, given: int, charged: int = 0, alert_below: int = 0) -> dict:
    return {
        "id": id_,
        "payer": payer,
        "is_prepaid": True,
        "alert_below_nanousd": alert_below,
        "given_nanousd": given,
        "charged_nanousd": charged,
        "expired_nanousd": 0,
        "held_nanousd": 0,
        "balance_nanousd": given - charged,
        "next_expiry": None,
        "given": [],
    }


def add_allowances(app: FastAPI, world: World, name: str, held: list[dict], prefix: str) -> None:
    @app.get(f"/admin/v1/{name}")
    async def every():
        return {"data": held}

    @app.post(f"/admin/v1/{name}", status_code=201)
    async def create(request: Request):
        told = decode_json(await request.body())
        if told["amount"] <= 0:
            raise HTTPException(400, "amount: Input should be greater than 0")
        made = {"id": world.fresh(prefix), "source": "store", **told}
        if name == "budgets":
            made["accounts"] = []
        held.append(made)
        return made

    @app.get(f"/admin/v1/{name}/{{id_}}")
    async def one(id_: str):
        return next(each for each in held if each["id"] == id_)

    @app.patch(f"/admin/v1/{name}/{{id_}}")
    async def change(id_: str, request: Request):
        each = next(each for each in held if each["id"] == id_)
        each.update(decode_json(await request.body()))
        return each

    @app.delete(f"/admin/v1/{name}/{{id_}}", status_code=204)
    async def drop(id_: str):
        held[:] = [each for each in held if each["id"] != id_]
        return Response(status_code=204)


def add_gateway(app: FastAPI, world: World) -> None:
    @app.get("/admin/v1/status")
    async def status():
        workers = [
            {"pid": 4101 + index, "state": "ready", "restarts": index, "connections": 31, "in_flight": 4} for index in range(2)
        ]
        config = {
            "version": 3 + world.reloads,
            "source": "weighbridge.yaml",
            "loaded_at": world.now.isoformat(),
            "last_failed_reload": None,
        }
        return {"version": "0.1.0", "uptime_seconds": 93_784.5, "config": config, "workers": workers}

    @app.get("/admin/v1/config")
    async def config():
        targets = [{"target": "openai/gpt-5", "weight": 3}, {"target": "anthropic/claude-sonnet-4-5", "weight": 1}]
        return {
            "server": {"host": "127.0.0.1", "port": 8080, "workers": 2},
            "providers": {
                "openai": {"api_keys": ["[secret]", "[secret]"], "models": ["gpt-5", "gpt-5-mini"]},
                "anthropic": {"api_key": "[secret]"},
            },
            "routes": {
                "smart": {"strategy": "weighted", "targets": targets, "retry": {"attempts": 3}},
                "cheap": {"strategy": "cheapest", "targets": [{"target": "gemini/gemini-2.5-flash"}, "openai/gpt-5-mini"]},
            },
        }

    @app.post("/admin/v1/config/reload")
    async def reload():
        world.reloads += 1
        return {"config_version": 3 + world.reloads, "problems": []}

    @app.get("/admin/v1/targets")
    async def targets():
        def key(name, state="ready", reason="", retry_in_ns=0):
            return {"name": name, "state": state, "reason": reason, "retry_in_ns": retry_in_ns, "in_flight": 1}

        def target(id_, state, keys, reason="", retry_in_ns=0, failed=0, **more):
            return {
                "id": id_,
                "state": state,
                "reason": reason,
                "retry_in_ns": retry_in_ns,
                "pace": 1.0,
                "in_flight": 3,
                "n_lately": 240,
                "n_failed": failed,
                "n_slow": 2,
                "first_token_ns": 540_000_000,
                "total_ns": 3_200_000_000,
                "headroom": 0.72,
                "keys": keys,
                **more,
            }

        return {
            "data": [
                target(
                    "openai/gpt-5",
                    "closed",
                    [key("openai#1"), key("openai#2", "resting", "rate limited", 12_000_000_000)],
                    failed=4,
                ),
                target("anthropic/claude-sonnet-4-5", "closed", [key("anthropic#1")]),
                target("gemini/gemini-2.5-flash", "half_open", [key("gemini#1")], "8 of 10 failed", 0, failed=60, pace=0.3),
                target(
                    "bedrock/anthropic.claude-haiku-4-5-v1:0",
                    "open",
                    [key("bedrock#1", "parked", "refused: 403", 300_000_000_000)],
                    "provider_unreachable",
                    27_000_000_000,
                    failed=240,
                ),
                target("openai/gpt-5-mini", "closed", [key("openai#1")]),
            ]
        }

    @app.post("/admin/v1/targets/clear", status_code=204)
    async def clear(request: Request):
        world.cleared.append(decode_json(await request.body())["name"])
        return Response(status_code=204)


def add_data_plane(app: FastAPI, world: World) -> None:
    def is_known(request: Request) -> bool:
        return request.headers.get("authorization", "").startswith("Bearer wb-")

    @app.get("/v1/models")
    async def models(request: Request):
        if not is_known(request):
            return refused(401, "invalid_api_key", "send a key")
        names = ["smart", "cheap", *sorted({f"{each['provider']}/{each['model']}" for each in world.requests})]
        return {"object": "list", "data": [{"id": name, "object": "model", "owned_by": "x"} for name in names]}

    @app.post("/v1/explain")
    async def explain(request: Request):
        if not is_known(request):
            return refused(401, "invalid_api_key", "send a key")
        candidates = [
            {
                "target": "openai/gpt-5",
                "format": None,
                "edits": ["model"],
                "refused": None,
                "state": "well",
                "retry_in_ms": 0,
                "weight": 3.0,
                "in_flight": 2,
                "first_token_ms": 611.2,
                "cost_usd": [0.0004, 0.0121],
            },
            {
                "target": "anthropic/claude-sonnet-4-5",
                "format": "anthropic-messages",
                "edits": [],
                "refused": None,
                "state": "well",
                "retry_in_ms": 0,
                "weight": 1.0,
                "in_flight": 0,
                "first_token_ms": None,
                "cost_usd": None,
            },
        ]
        lost = [{"target": "bedrock/anthropic.claude-haiku-4-5-v1:0", "reason": "its breaker is open"}]
        asked = decode_json(await request.body())
        body = asked.get("body", asked)
        return {
            "model": body.get("model"),
            "route": "smart",
            "strategy": "weighted",
            "candidates": candidates,
            "lost": lost,
            "demand": {},
            "attempts": 3,
            "hedged": False,
            "midstream": True,
        }

    @app.post("/v1/chat/completions")
    async def chat(request: Request):
        if not is_known(request):
            return refused(401, "invalid_api_key", "send a key")
        asked = decode_json(await request.body())
        words = ("Weighed ", "**and** ", "<b>found</b> ", "not ", "wanting.")

        async def events():
            for word in words:
                yield f'data: {{"choices":[{{"delta":{{"content":"{word}"}}}}]}}\n\n'
            yield 'data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":12,"completion_tokens":5}}\n\n'
            yield "data: [DONE]\n\n"

        newest = {
            **world.requests[0],
            "id": f"req_play{world.fresh('p')[2:]}",
            "requested_model": asked["model"],
            "cost_nanousd": 1_234_500,
        }
        newest["at"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        world.requests.insert(0, newest)
        return StreamingResponse(events(), media_type="text/event-stream", headers={"x-weighbridge-request-id": newest["id"]})
