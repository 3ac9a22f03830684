"""What a command writes at its end: that it can be written, before the work begins."""

from pathlib import Path


def check_file(option: str, path: Path | None) -> None:
    """Refuse a place where no file can be written.

    Raises:
        ValueError: If its folder is not there, or it is a folder itself.
    """
    if path is None:
        return
    if not path.parent.is_dir():
        raise ValueError(f"{option} must lie in a folder that is there, got {path}")
    if path.is_dir():
        raise ValueError(f"{option} must be a file, and {path} is a folder")


def check_figure(option: str, path: Path | None) -> None:
    """The same of a figure, whose format its ending says; needs Matplotlib.

    Raises:
        ValueError: If it cannot be written, or there is no such format.
    """
    check_file(option, path)
    if path is None:
        return
    from matplotlib.backend_bases import FigureCanvasBase

    if path.suffix.removeprefix(".").lower() not in FigureCanvasBase.get_supported_filetypes():
        raise ValueError(
            f"{option} must end as a figure does, .svg or .png for instance, got {path}"
        )
