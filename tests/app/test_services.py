"""What the admin API is told about the gateway."""

from __future__ import annotations

from tests.app.conftest import CONFIG

from weighbridge import __version__
from weighbridge.app.services import admin_services


async def test_status_names_version_source_and_workers(make_supervisor, config_file) -> None:
    status = admin_services(make_supervisor()).status()
    assert status.version == __version__
    assert status.uptime_seconds >= 0
    assert (status.config.version, status.config.source) == (1, str(config_file))
    assert status.config.last_failed_reload is None
    assert status.workers == ()


async def test_a_failed_reload_is_answered_with_its_problems_and_shown_until_one_succeeds(make_supervisor, config_file) -> None:
    services = admin_services(make_supervisor())
    config_file.write_text(CONFIG + "nonsense: 1\n")
    outcome = await services.reload()
    failed = services.status().config.last_failed_reload
    assert (outcome.config_version, len(outcome.problems)) == (1, 1)
    assert failed is not None
    assert failed.problems == outcome.problems
    config_file.write_text(CONFIG)
    outcome = await services.reload()
    assert (outcome.config_version, outcome.problems) == (2, ())
    assert services.status().config.last_failed_reload is None


async def test_the_configuration_is_the_one_loaded_last(make_supervisor, config_file) -> None:
    supervisor = make_supervisor()
    services = admin_services(supervisor)
    before = services.config()
    config_file.write_text(CONFIG.replace("5s", "7s"))
    await services.reload()
    assert services.config() is supervisor.loaded.config
    assert services.config() is not before
