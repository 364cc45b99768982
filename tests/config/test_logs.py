from __future__ import annotations

import pytest

from weighbridge.config.load import load_config
from weighbridge.config.logs import compile_logs
from weighbridge.config.problems import ConfigError


@pytest.fixture
def sinks(tmp_path):
    def of(text):
        file = tmp_path / "weighbridge.yaml"
        file.write_text(f"providers: {{demo: {{}}}}\nlogs: [{text}]\n")
        return compile_logs(load_config(file, environ={}).config)

    return of


def test_a_webhook_and_a_table_are_told_apart(sinks):
    hook = "{name: hook, webhook: 'https://h.test/in', secret: whsec-1, only_errors: true, batch: 7, spool: 2MB}"
    house = "{name: house, clickhouse: 'https://c.test:8443', table: logs.r, user: wb, password: pw"
    hook, house = sinks(f"{hook}, {house}, hash: [end_user], salt: s, omit: [tags]}}")
    assert (hook.table, hook.only_errors, hook.batch_lines, hook.spool_bytes) == ("", True, 7, 2 * 1024 * 1024)
    assert hook.secret.reveal() == "whsec-1"
    assert house.table == "logs.r"
    assert [(name, value.reveal()) for name, value in house.headers] == [("x-clickhouse-user", "wb"), ("x-clickhouse-key", "pw")]
    assert (house.redaction.hashed, house.redaction.omitted, house.redaction.salt) == ({"end_user"}, {"tags"}, "s")


def test_a_bucket_has_objects_of_a_size_and_an_age(sinks):
    (lake,) = sinks("{name: lake, s3: {bucket: logs, region: eu-west-1, prefix: wb, object_size: 1MB, every: 1m}, omit: [tags]}")
    assert (lake.bucket.url, lake.bucket.prefix) == ("https://logs.s3.eu-west-1.amazonaws.com", "wb/")
    assert (lake.object_bytes, lake.every_ns, lake.redaction.omitted) == (1024 * 1024, 60 * 10**9, {"tags"})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("{name: x}", "one of `webhook`, `clickhouse` and `s3`"),
        ("{name: x, webhook: 'https://a', clickhouse: 'https://b'}", "one of"),
        ("{name: X, webhook: 'https://a'}", "name"),
        ("{name: ../x, webhook: 'https://a'}", "name"),
        ("{name: x, webhook: 'ftp://a'}", "must be a URL"),
        ("{name: x, webhook: 'https://a', user: u}", "only for `clickhouse`"),
        ("{name: x, clickhouse: 'https://a', secret: s}", "only for a `webhook`"),
        ("{name: x, clickhouse: 'https://a', table: 'a; DROP TABLE b'}", "`database.table`"),
        ("{name: x, webhook: 'https://a', hash: [end_user]}", "salt"),
        ("{name: x, webhook: 'https://a', omit: [status]}", "omit"),
        ("{name: x, webhook: 'https://a', spool: 1kB}", "at least `1MB`"),
        ("{name: x, webhook: 'https://a', s3: {bucket: logs}}", "give one of"),
        ("{name: x, s3: {bucket: Logs}}", "bucket"),
        ("{name: x, s3: {bucket: logs, prefix: /a}}", "prefix"),
        ("{name: x, s3: {bucket: logs, prefix: 'a b'}}", "prefix"),
        ("{name: x, s3: {bucket: logs, object_size: 1kB}}", "at least `100kB`"),
        ("{name: x, s3: {bucket: logs, every: 2h}}", "at most `1h`"),
        ("{name: x, s3: {bucket: logs}, spool: 20MB}", "twice the `object_size`"),
        ("{name: x, s3: {bucket: logs}, headers: {a: b}}", "is not for `s3`"),
        ("{name: x, s3: {bucket: logs}, secret: s}", "only for a `webhook`"),
        ("{name: x, webhook: 'https://a'}, {name: x, webhook: 'https://b'}", "two sinks of one name"),
    ],
)
def test_what_no_sink_can_be_is_told(sinks, wrong, words):
    with pytest.raises(ConfigError) as refused:
        sinks(wrong)
    assert words in "\n".join(problem.render(None) for problem in refused.value.problems)
