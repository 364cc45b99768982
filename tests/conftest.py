from __future__ import annotations

import random

import hypothesis
import pytest

# A deadline measures the machine, and two busy cores are slow at times. `timeout` in pyproject.toml stops what hangs.
hypothesis.settings.register_profile("weighbridge", deadline=None)
hypothesis.settings.load_profile("weighbridge")

_ANY_SEED = 2**32


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--sim-seed", type=int, default=None, help="replay the simulation that failed with this seed")


@pytest.fixture
def sim_seed(request: pytest.FixtureRequest) -> int:
    """The seed of a simulated run: a new one each time, or that of `make sim SEED=n`. A failing run shows it."""
    chosen = request.config.getoption("--sim-seed")
    seed = random.randrange(_ANY_SEED) if chosen is None else chosen
    request.node.add_report_section("setup", "seed", f"replay this run with: make sim SEED={seed}")
    return seed
