"""The command line: parsing and printing, nothing else.

``flatfast momentum`` answers from the law and needs the core alone; the other commands are the
lab's, whose packages are an extra and are imported when such a command runs. Exit codes: 0 done; 1
the work failed (a full disk, a problem that does not interpolate); 2 the command was wrong; 130
interrupted.
"""

import sys


def main() -> None:
    """Entry point of the ``flatfast`` command."""
    from flatfast.cli.interrupts import until_stopped

    sys.exit(until_stopped(_run, last=True))


def _run() -> int:
    from flatfast.cli.app import run

    return run()
