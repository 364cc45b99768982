from __future__ import annotations

import subprocess
import sys

import pytest

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.secret import Secret
from weighbridge.credentials import extras
from weighbridge.credentials.extras import load_library, missing_extra
from weighbridge.providers.cloud_accounts import AwsAccount, EntraAccount, GoogleAccount

ACCOUNTS = [(AwsAccount("eu-west-1"), "aws"), (GoogleAccount(), "gcp"), (EntraAccount(), "azure")]


@pytest.mark.parametrize(("account", "extra"), ACCOUNTS)
def test_a_library_that_is_there_is_not_missed(account, extra) -> None:
    assert missing_extra(account) is None


@pytest.mark.parametrize(("account", "extra"), ACCOUNTS)
@pytest.mark.parametrize("parent_is_missing", [False, True])
def test_a_missing_library_is_named_with_its_cure(account, extra, parent_is_missing, monkeypatch) -> None:
    def find(module: str) -> None:
        if parent_is_missing:
            raise ModuleNotFoundError(module)

    monkeypatch.setattr(extras, "find_spec", find)
    assert missing_extra(account) == f"pip install 'weighbridge[{extra}]'"


def test_fixed_keys_need_no_library(monkeypatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda module: None)
    fixed = AwsAccount("eu-west-1", access_key_id=Secret("a"), secret_access_key=Secret("b"))
    assert missing_extra(fixed) is None
    assert missing_extra(AwsAccount("eu-west-1", api_key=Secret("k"))) is None
    assumed = AwsAccount("eu-west-1", access_key_id=Secret("a"), secret_access_key=Secret("b"), role_arn="arn")
    assert missing_extra(assumed) is not None


def test_using_a_missing_library_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(GatewayError) as caught:
        load_library("no_such_library", "aws")
    assert caught.value.kind is ErrorKind.PROVIDER_AUTHENTICATION
    assert "pip install 'weighbridge[aws]'" in caught.value.detail


def test_no_cloud_library_is_loaded_before_it_is_needed() -> None:
    program = (
        "import sys, weighbridge.credentials.keeper\n"
        "heavy = {'botocore', 'google.auth', 'azure.identity', 'requests', 'msal', 'cryptography'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
