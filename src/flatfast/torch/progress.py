"""A progress bar where rich is installed."""

import contextlib
from collections.abc import Iterator

from flatfast.calibration.calibrate import Progress


@contextlib.contextmanager
def showing(progress: bool | Progress, doing: str = "calibrating") -> Iterator[Progress]:
    """What is to be told: a bar for True, nothing for False, or the caller's own function."""
    if callable(progress):
        yield progress
        return
    if not progress:
        yield lambda done, total: None
        return
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    with Bar(
        TextColumn(doing),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} gradient evaluations"),
        TimeRemainingColumn(),
    ) as bar:
        task = bar.add_task(doing, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
