"""How many seeds a test run takes."""

from __future__ import annotations

import os

import pytest

N_RUNS = 1_000 if os.environ.get("WEIGHBRIDGE_PROOF") == "full" else 14
"""Ten seconds of one core; in full a quarter of an hour."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Many new seeds, or the one that was asked for."""
    if "run" in metafunc.fixturenames:
        is_replay = metafunc.config.getoption("--sim-seed") is not None
        metafunc.parametrize("run", range(1 if is_replay else N_RUNS))
