from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tests.credentials.token_server import token_server

from weighbridge.core.clock import SystemClock
from weighbridge.core.errors import GatewayError
from weighbridge.core.secret import Secret
from weighbridge.credentials.aws import AwsKeys, fixed_signer
from weighbridge.providers.cloud_accounts import AwsAccount

NOW_NS = 1_800_000_000 * 10**9
REGION = "eu-west-1"


def signed_by(signer) -> tuple[str, str]:
    """The access key and the session token in a signature."""
    lines = signer.header_lines(b"POST", b"h", b"/", [b""], NOW_NS).decode()
    key = lines.partition("Credential=")[2].partition("/")[0]
    return key, lines.partition("x-amz-security-token: ")[2].partition("\r\n")[0]


def in_an_hour() -> str:
    return (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_fixed_keys_sign_without_a_library() -> None:
    account = AwsAccount(REGION, access_key_id=Secret("AKID1"), secret_access_key=Secret("s"), session_token=Secret("t"))
    assert signed_by(fixed_signer(account)) == ("AKID1", "t")
    assert fixed_signer(AwsAccount(REGION)) is None
    assert fixed_signer(AwsAccount(REGION, access_key_id=Secret("a"), secret_access_key=Secret("s"), role_arn="r")) is None


def test_keys_of_the_environment(monkeypatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    fresh = AwsKeys(AwsAccount(REGION), SystemClock()).fetch()
    assert signed_by(fresh.value) == ("AKIDENV", "")
    assert fresh.expires_wall_ns is None


def test_keys_of_a_profile_are_read_again_when_fetched_again(monkeypatch, tmp_path) -> None:
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    keys = AwsKeys(AwsAccount(REGION, profile="models"), SystemClock())
    for name in ("AKIDONE", "AKIDTWO"):
        file.write_text(f"[models]\naws_access_key_id = {name}\naws_secret_access_key = s\n")
        assert signed_by(keys.fetch().value)[0] == name


def test_keys_of_a_container_are_temporary_and_renewed(monkeypatch) -> None:
    told = {"AccessKeyId": "ASIDONE", "SecretAccessKey": "s", "Token": "tok", "Expiration": in_an_hour()}
    soon = (datetime.now(UTC) + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    with token_server((200, told | {"Expiration": soon}), (200, told | {"AccessKeyId": "ASIDTWO"})) as server:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.base + "/creds")
        keys = AwsKeys(AwsAccount(REGION), SystemClock())
        before_ns = SystemClock.wall_ns()
        fresh = keys.fetch()
        assert fresh.expires_wall_ns is not None
        assert 290 < (fresh.expires_wall_ns - before_ns) / 1e9 < 310
        # Five minutes before their end botocore replaces them by itself.
        assert signed_by(keys.fetch().value) == ("ASIDTWO", "tok")
        assert signed_by(keys.fetch().value) == ("ASIDTWO", "tok")
        assert len(server.asked) == 2


def test_a_role_is_assumed_with_fixed_keys(monkeypatch) -> None:
    reply = (
        '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>'
        f"<AccessKeyId>ASIDROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>tok</SessionToken>"
        f"<Expiration>{in_an_hour()}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
    )
    with token_server((200, reply)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.base)
        account = AwsAccount(
            REGION,
            access_key_id=Secret("AKID1"),
            secret_access_key=Secret("s"),
            role_arn="arn:aws:iam::000000000000:role/models",
            external_id="ext",
        )
        fresh = AwsKeys(account, SystemClock()).fetch()
        assert signed_by(fresh.value) == ("ASIDROLE", "tok")
        ((_, _, asked),) = server.asked
        assert "RoleSessionName=weighbridge" in asked
        assert "ExternalId=ext" in asked


def test_no_keys_anywhere_say_what_to_do() -> None:
    with pytest.raises(GatewayError) as caught:
        AwsKeys(AwsAccount(REGION), SystemClock()).fetch()
    assert "access keys, a profile or a role" in caught.value.detail
