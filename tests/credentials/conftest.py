from __future__ import annotations

import os

import pytest

_PREFIXES = (
    "AWS_",
    "GOOGLE_",
    "GCLOUD_",
    "GCE_",
    "AZURE_",
    "IDENTITY_",
    "MSI_",
    "CLOUDSDK_",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "http_proxy",
    "https_proxy",
)


@pytest.fixture(autouse=True)
def _nobodys_account(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """No test finds an account of whoever runs it, and none asks a metadata server."""
    for name in list(os.environ):
        if name.startswith(_PREFIXES):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_GCE_CHECK", "true")


class FakeClock:
    def __init__(self) -> None:
        self.ns = 10**15
        self.wall = 1_800_000_000 * 10**9

    def now_ns(self) -> int:
        return self.ns

    def wall_ns(self) -> int:
        return self.wall

    def pass_s(self, seconds: float) -> None:
        self.ns += int(seconds * 1e9)
        self.wall += int(seconds * 1e9)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
