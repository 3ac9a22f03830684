"""What the files of a folder add to the lab: adding to it is adding a file."""

import importlib
import pkgutil
from collections.abc import Iterable
from typing import Any


def gathered(package: str, path: Iterable[str], name: str) -> dict[str, Any]:
    """The dictionaries that a package's modules define under one name, put together.

    Args:
        package: The package's name.
        path: Its ``__path__``.
        name: The dictionaries' name; modules without one add nothing.
    """
    found: dict[str, Any] = {}
    for module in pkgutil.iter_modules(path, f"{package}."):
        found |= getattr(importlib.import_module(module.name), name, {})
    return found
