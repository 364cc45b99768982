"""Writes constraints.txt: the versions in this environment of all that pyproject.toml needs, directly or not.

Run by `make pins`. Names and versions only: where packages come from is the installer's business, not this file's.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).resolve().parent.parent
HEADER: Final = (
    "# The versions that this project is tested with: what pyproject.toml needs, directly or not. Written by `make pins`.\n"
)


def declared() -> list[Requirement]:
    """What pyproject.toml asks for, the extras included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    return [Requirement(line) for line in lines]


def applies(requirement: Requirement, extras: Iterable[str]) -> bool:
    """Whether a requirement holds here, for a package that was asked for with these extras."""
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))


def closure(requirements: Iterable[Requirement]) -> dict[str, str]:
    """Name -> installed version of everything that follows. Raises `PackageNotFoundError` where something is missing."""
    versions: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    todo = list(requirements)
    while todo:
        requirement = todo.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        package = distribution(name)
        versions[name] = package.version
        todo += [needed for line in package.requires or () if applies(needed := Requirement(line), extras)]
    return versions


def main() -> None:
    """Write the file, sorted by name."""
    pins = sorted(closure(declared()).items())
    (ROOT / "constraints.txt").write_text(HEADER + "".join(f"{name}=={version}\n" for name, version in pins))


if __name__ == "__main__":
    main()
