"""The lowest versions that pyproject.toml allows, as constraints for pip.

    python scripts/lowest.py lab optax > lowest.txt
    pip install -c lowest.txt ".[lab,optax]"

Direct dependencies are held to their lower bounds, and only they: what these need in turn is pip's
to choose. ``make test-lowest`` installs and tests with them.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"
BOUNDED = re.compile(r"([A-Za-z0-9._-]+)>=([0-9.]+)$")
OWN = re.compile(r"flatfast\[(.+)\]$")


def lowest(extras: list[str], project: dict[str, object]) -> dict[str, str]:
    """Name to lowest version of the core's dependencies and those of extras.

    Args:
        extras: Their names.
        project: The table of that name.

    Raises:
        ValueError: If a dependency has no lower bound, or there is no such extra.
    """
    found: dict[str, str] = {}
    for need in _needs(extras, project):
        bound = BOUNDED.match(need)
        if bound is None:
            raise ValueError(f"every dependency needs the form name>=version, got {need!r}")
        name, version = bound.groups()
        found[name] = max(found.get(name, version), version, key=_numbers)
    return found


def _needs(extras: list[str], project: dict[str, object]) -> Iterator[str]:
    optional = project["optional-dependencies"]
    core = project["dependencies"]
    assert isinstance(optional, dict)
    assert isinstance(core, list)
    yield from core
    for extra in extras:
        if extra not in optional:
            raise ValueError(f"no extra {extra!r}; there are {', '.join(optional)}")
        for need in optional[extra]:
            own = OWN.match(need)
            if own:
                yield from _needs(own[1].split(","), project)
            else:
                yield need


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


if __name__ == "__main__":
    with PYPROJECT.open("rb") as file:
        versions = lowest(sys.argv[1:], tomllib.load(file)["project"])
    print(*(f"{name}=={version}" for name, version in versions.items()), sep="\n")
