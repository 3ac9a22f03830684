"""What a part of the package needs beyond the core, and how to install it."""

import importlib.util


def install_command(extra: str) -> str:
    """What to type for an extra."""
    return f'pip install "flatfast[{extra}]"'


def require(part: str, extra: str, *modules: str) -> None:
    """See that what a part imports is installed, before it is imported.

    Args:
        part: What needs them.
        extra: The extra that has them.
        modules: Their names, top-level.

    Raises:
        ModuleNotFoundError: If one is not installed; says what to type.
    """
    for module in modules:
        if not _is_there(module):
            raise ModuleNotFoundError(
                f"{part} needs {module}: {install_command(extra)}", name=module
            )


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ValueError, ImportError):  # somebody keeps it from being imported
        return False
