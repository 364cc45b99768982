from __future__ import annotations

import pytest

from weighbridge.config.alerts import compile_alerts
from weighbridge.config.load import load_config
from weighbridge.config.problems import ConfigError
from weighbridge.core.alerts import AlertOn, AlertRule, Destination, MailServer
from weighbridge.core.secret import Secret

S = 1_000_000_000
OPS = "to: {ops: {slack: 'https://hooks.example.org/T/secret'}}"


@pytest.fixture
def alerts(tmp_path):
    def of(text):
        file = tmp_path / "weighbridge.yaml"
        file.write_text("providers: {demo: {}}\n" + text)
        return compile_alerts(load_config(file, environ={}).config)

    return of


def test_nobody_is_told_anything_where_there_is_no_destination(alerts):
    assert alerts("").destinations == ()


def test_what_everybody_wants_to_know_is_told_where_there_are_no_rules(alerts):
    found = alerts(f"alerts: {{{OPS}}}")
    assert found.destinations == (Destination("ops", Secret("https://hooks.example.org/T/secret")),)
    assert {rule.on for rule in found.rules} >= {AlertOn.BUDGET, AlertOn.PROVIDER_KEY, AlertOn.TARGET, AlertOn.LEDGER_LAG}


@pytest.mark.parametrize(
    ("rule", "compiled"),
    [
        ("{on: error_rate}", AlertRule(AlertOn.ERROR_RATE, 50_000, 300 * S)),
        ("{on: error_rate, above: 12.5%, over: 10m, at_least: 5}", AlertRule(AlertOn.ERROR_RATE, 125_000, 600 * S, 5)),
        ("{on: latency, above: 2s}", AlertRule(AlertOn.LATENCY, 2 * S, 300 * S)),
        ("{on: spend, above: $50}", AlertRule(AlertOn.SPEND, 50 * S, 3_600 * S)),
        ("{on: spend_anomaly, above: 2.5x, over: 1d}", AlertRule(AlertOn.SPEND_ANOMALY, 2_500_000, 86_400 * S)),
        ("{on: ledger_lag, above: 1MB, for: 5m, to: [ops]}", AlertRule(AlertOn.LEDGER_LAG, 2**20, 300 * S, 20, 300 * S, ("ops",))),
        ("{on: target}", AlertRule(AlertOn.TARGET, 0, 300 * S)),
    ],
)
def test_a_rule_is_in_the_unit_of_what_it_looks_at(alerts, rule, compiled):
    assert alerts(f"alerts: {{{OPS}, rules: [{rule}]}}").rules == (compiled,)


def test_mail_is_sent_by_a_server(alerts):
    text = "alerts: {to: {all: {email: [a@b.c]}}, smtp: {host: mail, from: w@b.c, user: u, password: p, tls: implicit, port: 465}}"
    assert alerts(text).mail == MailServer("mail", 465, "w@b.c", "u", Secret("p"), "implicit")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("to: {a: {}}", "exactly one"),
        ("to: {a: {slack: 'https://x/y', email: [a@b.c]}}", "exactly one"),
        ("to: {a: {slack: 'https://x/y', secret: s}}", "only for a `webhook`"),
        ("to: {a: {webhook: 'file:///etc/passwd'}}", "URL"),
        ("to: {a: {webhook: 'https://user@host/x'}}", "URL"),
        ("to: {a: {email: [nobody]}}", "addresses"),
        ("to: {a: {email: [a@b.c]}}", "smtp"),
        (OPS + ", rules: [{on: spend}]", "is needed"),
        (OPS + ", rules: [{on: target, above: 5%}]", "no meaning"),
        (OPS + ", rules: [{on: error_rate, above: lots}]", "percentage"),
        (OPS + ", rules: [{on: spend, above: lots}]", "dollars"),
        (OPS + ", rules: [{on: spend_anomaly, above: '3'}]", "3x"),
        (OPS + ", rules: [{on: latency, over: 2d}]", "1d"),
        (OPS + ", rules: [{on: target, to: [elsewhere]}]", "elsewhere"),
        (OPS + ", rules: [{on: weather}]", "on"),
    ],
)
def test_what_is_wrong_is_told(alerts, wrong, words):
    with pytest.raises(ConfigError) as refused:
        alerts(f"alerts: {{{wrong}}}")
    told = "\n".join(problem.render(None) for problem in refused.value.problems)
    assert words in told
    assert "T/secret" not in told
