"""What this process and those that it has started are, and what they take."""

import os
from pathlib import Path

PROC = Path("/proc")


def below(pid: int) -> dict[int, str]:
    """Processes that a process has started, and they in turn.

    Returns:
        Number to name, as the processes call themselves; none that has ended.
    """
    parents: dict[int, int] = {}
    names: dict[int, str] = {}
    for folder in PROC.glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            name = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        except OSError:  # it has just ended
            continue
        if state != "Z":
            parents[int(folder.name)], names[int(folder.name)] = int(parent), name
    found = {pid}
    while more := {each for each, parent in parents.items() if parent in found} - found:
        found |= more
    return {each: names[each] for each in found - {pid}}


def processor_seconds() -> float:
    """That this process and all below it have taken, and those of them that have ended."""
    ticks = 0
    for pid in (os.getpid(), *below(os.getpid())):
        try:
            fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(map(int, fields[11:15]))  # own and of children that have ended: user, system
    return ticks / os.sysconf("SC_CLK_TCK")


def memory() -> int:
    """Resident bytes of this process."""
    pages = int((PROC / "self" / "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
