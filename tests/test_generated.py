from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GENERATED: dict[Path, str] = runpy.run_path(str(ROOT / "tools" / "reference.py"))["generated"]()


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.name)
def test_generated_files_say_what_the_code_says(path: Path) -> None:
    assert path.is_file(), "run `make docs`"
    assert path.read_text(encoding="utf-8") == GENERATED[path], "run `make docs`"
