from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.credentials.token_server import token_server

from weighbridge.core.clock import SystemClock
from weighbridge.core.errors import GatewayError
from weighbridge.core.secret import Secret
from weighbridge.credentials.gcp import GoogleTokens
from weighbridge.providers.cloud_accounts import GoogleAccount


@pytest.fixture(scope="module")
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()


def service_account(private_key: str, base: str) -> dict[str, str]:
    return {
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "1",
        "private_key": private_key,
        "client_email": "models@p.iam.gserviceaccount.com",
        "token_uri": base + "/token",
    }


GRANT = {"access_token": "ya29.one", "expires_in": 3600, "token_type": "Bearer"}


def test_a_service_account_given_as_content(private_key) -> None:
    with token_server((200, GRANT), (200, GRANT | {"access_token": "ya29.two"})) as server:
        content = Secret(json.dumps(service_account(private_key, server.base)))
        tokens = GoogleTokens(GoogleAccount(credentials_json=content))
        before_ns = SystemClock.wall_ns()
        fresh = tokens.fetch()
        assert fresh.value == b"authorization: Bearer ya29.one\r\n"
        assert fresh.expires_wall_ns is not None
        assert 3590 < (fresh.expires_wall_ns - before_ns) / 1e9 < 3610
        assert tokens.fetch().value == b"authorization: Bearer ya29.two\r\n"
        assert "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer" in server.asked[0][2]


def test_a_service_account_in_a_file_with_a_project_that_pays(private_key, tmp_path) -> None:
    with token_server((200, GRANT)) as server:
        file = tmp_path / "sa.json"
        file.write_text(json.dumps(service_account(private_key, server.base)))
        lines = GoogleTokens(GoogleAccount(credentials_file=str(file), quota_project="payer")).fetch().value
        assert lines == b"authorization: Bearer ya29.one\r\nx-goog-user-project: payer\r\n"


def test_application_default_credentials_of_a_user(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    with token_server((200, GRANT)) as server:
        file = tmp_path / "adc.json"
        user = {"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r", "quota_project_id": "mine"}
        file.write_text(json.dumps(user | {"token_uri": server.base + "/token"}))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        monkeypatch.setattr("google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT", server.base + "/token")
        lines = GoogleTokens(GoogleAccount()).fetch().value
        assert lines == b"authorization: Bearer ya29.one\r\nx-goog-user-project: mine\r\n"
        assert "grant_type=refresh_token" in server.asked[0][2]


@pytest.mark.parametrize("content", ['{"type": "authorized_gdch"}', "{}", "[]", '{"type": "external_account_authorized_user"}'])
def test_content_of_another_type_is_refused(content) -> None:
    with pytest.raises(GatewayError) as caught:
        GoogleTokens(GoogleAccount(credentials_json=Secret(content))).fetch()
    assert "credentials" in caught.value.detail


def test_a_workload_identity(tmp_path) -> None:
    (tmp_path / "subject").write_text("subject-token")
    with token_server((200, GRANT | {"issued_token_type": "urn:ietf:params:oauth:token-type:access_token"})) as server:
        info = {
            "type": "external_account",
            "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": server.base + "/v1/token",
            "credential_source": {"file": str(tmp_path / "subject")},
        }
        tokens = GoogleTokens(GoogleAccount(credentials_json=Secret(json.dumps(info))))
        assert tokens.fetch().value == b"authorization: Bearer ya29.one\r\n"
        assert "subject_token=subject-token" in server.asked[0][2]


def test_the_metadata_server_of_a_machine() -> None:
    # In a process of its own: google-auth reads the server's address when it is imported.
    program = (
        "from weighbridge.credentials.gcp import GoogleTokens\n"
        "from weighbridge.providers.cloud_accounts import GoogleAccount\n"
        "print(GoogleTokens(GoogleAccount()).fetch().value.decode().strip())"
    )
    account = {"email": "models@p.iam.gserviceaccount.com", "scopes": [], "aliases": ["default"]}
    by_end = {"/token": GRANT, "/project-id": "p", "recursive=true": account, "/": "ok"}
    with token_server((404, {}), by_end=by_end) as server:
        host = server.base.removeprefix("http://")
        environment = {key: value for key, value in os.environ.items() if key != "NO_GCE_CHECK"}
        environment |= {"GCE_METADATA_HOST": host, "GCE_METADATA_IP": host}
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False)
    assert done.stdout.strip() == "authorization: Bearer ya29.one", done.stderr


def test_content_that_is_no_json_is_not_quoted() -> None:
    with pytest.raises(GatewayError) as caught:
        GoogleTokens(GoogleAccount(credentials_json=Secret("{hush"))).fetch()
    assert "hush" not in caught.value.detail + str(caught.value) + repr(caught.value.__cause__)
    assert "credentials_json" in caught.value.detail


def test_a_refusal_of_the_token_server_is_raised(private_key) -> None:
    with token_server((400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})) as server:
        content = Secret(json.dumps(service_account(private_key, server.base)))
        with pytest.raises(Exception, match="invalid_grant"):
            GoogleTokens(GoogleAccount(credentials_json=content)).fetch()
