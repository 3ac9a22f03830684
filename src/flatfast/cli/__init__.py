"""The command line: parsing and printing, nothing else.

``flatfast momentum`` answers from the law; ``reproduce``, ``sweep``, ``report`` and ``list`` are
the lab's. Exit codes: 0 done; 1 the work failed (a full disk, a problem that does not interpolate);
2 the command was wrong; 130 interrupted.
"""

import sys

INSTALL_LAB = 'pip install "flatfast[lab]"'


def main() -> None:
    """Entry point of the ``flatfast`` command."""
    from flatfast.cli.interrupts import until_stopped

    sys.exit(until_stopped(_run))


def _run() -> int:
    try:
        from flatfast.cli.app import run
    except ImportError as error:
        if error.name is None or error.name.partition(".")[0] not in ("typer", "rich"):
            raise
        sys.exit(f"the command line needs the lab extra: {INSTALL_LAB}")
    return run()
