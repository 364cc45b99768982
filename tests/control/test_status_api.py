from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from weighbridge.config.load import load_config
from weighbridge.control.admin_services import ConfigProblem, ReloadOutcome
from weighbridge.control.status_api import MAX_RECORDS, masked
from weighbridge.core.secret import Secret
from weighbridge.core.terms import Record


async def test_status_tells_version_configuration_and_workers(admin):
    assert (await admin.get("/status")).json() == {
        "version": "0.1.0",
        "uptime_seconds": 1.5,
        "config": {"version": 1, "source": "weighbridge.yaml", "loaded_at": "2026-01-01T00:00:00Z", "last_failed_reload": None},
        "workers": [
            {
                "pid": 7,
                "state": "ready",
                "restarts": 1,
                "connections": 3,
                "in_flight": 2,
                "limits_away": True,
                "limits_unanswered": 5,
            }
        ],
    }


async def test_the_configuration_is_shown_with_its_secrets_masked(admin):
    reply = await admin.get("/config")
    assert reply.json() == {"name": "x", "api_keys": ["[secret]"]}


async def test_no_secret_of_a_real_configuration_is_shown(admin, gateway, tmp_path):
    path = tmp_path / "weighbridge.yaml"
    path.write_text(
        "providers:\n"
        "  openai:\n"
        "    api_keys: [sk-hidden-1, sk-hidden-2]\n"
        "    headers: {x-team: hidden-3}\n"
        "    proxy: http://user:hidden-4@proxy.internal:3128\n"
        "keys:\n"
        "  - {name: app, key: hidden-5-hidden-5, expires: 2030-01-01}\n"
    )
    gateway.settings = load_config(path, environ={}).config
    reply = await admin.get("/config")
    assert reply.status_code == 200
    assert "hidden" not in reply.text
    assert reply.json()["providers"]["openai"]["api_keys"] == ["[secret]", "[secret]"]
    assert reply.json()["keys"][0]["name"] == "app"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(Secret("x"), "[secret]"), (Secret(""), ""), (b"digest", "[secret]"), (Path("a/b"), "a/b"), ((1, None), [1, None])],
)
def test_masking_turns_everything_into_json(value, shown):
    assert masked({"setting": value}) == {"setting": shown}


async def test_a_good_reload_tells_the_new_version(admin):
    reply = await admin.post("/config/reload")
    assert (reply.status_code, reply.json()) == (200, {"config_version": 2, "problems": []})


async def test_a_refused_reload_is_400_with_every_problem(admin, gateway):
    problem = ConfigProblem(path="providers.x", message="unknown", line=3, suggestion="did you mean `y`?")
    gateway.reloaded = ReloadOutcome(config_version=1, problems=(problem,))
    reply = await admin.post("/config/reload")
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "config_invalid")
    assert reply.json()["error"]["problems"] == [problem.model_dump()]


async def test_records_come_newest_first_and_whole(admin, gateway):
    reply = await admin.get("/records?limit=2")
    assert msgspec.convert(reply.json()["data"], list[Record]) == gateway.records[:2]


@pytest.mark.parametrize("limit", [0, MAX_RECORDS + 1])
async def test_records_are_bounded(admin, limit):
    assert (await admin.get(f"/records?limit={limit}")).status_code == 400
