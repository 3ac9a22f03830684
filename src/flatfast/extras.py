"""What a part of the package needs beyond the core, and how to install it."""

import importlib.util


def install_command(extra: str) -> str:
    """What to type for an extra of a release."""
    return f'pip install "flatfast[{extra}]"'


def ways_to_install(extra: str) -> str:
    """What to type for an extra, of a release or in a checkout."""
    return f'{install_command(extra)}, or pip install ".[{extra}]" in a checkout'


def require(part: str, extra: str, *modules: str) -> None:
    """See that what a part imports is installed, before it is imported.

    Args:
        part: What needs them, in words that a user knows.
        extra: The extra that has them.
        modules: Their names, top-level.

    Raises:
        ModuleNotFoundError: If one is not installed; says what to type.
    """
    for module in modules:
        if not is_there(module):
            raise ModuleNotFoundError(
                f"{part} is not installed: {ways_to_install(extra)} ({module} is missing)",
                name=module,
            )


def is_there(module: str) -> bool:
    """Whether a module could be imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ValueError, ImportError):  # somebody keeps it from being imported
        return False
