from __future__ import annotations

import weighbridge


def test_version_prints_one_line(run):
    assert run("version") == (0, f"weighbridge {weighbridge.__version__}\n", "")
