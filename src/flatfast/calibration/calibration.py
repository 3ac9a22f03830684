"""A calibration as it is handed out: the result, which also tells, draws and keeps itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flatfast.calibration.figure import draw
from flatfast.calibration.result import Result
from flatfast.calibration.stored import as_json, read_json
from flatfast.calibration.words import told


@dataclass(frozen=True, repr=False)
class Calibration(Result):
    """The prefactor of ``1 - momentum = C lr^(2/3)``, measured at one point.

    ``str()`` tells it in words, ``law`` is to be used, :meth:`figure` draws it. Its numbers are
    those of :class:`flatfast.calibration.result.Result`; of these the measured ones, ``C`` first,
    know their errors: ``found.C``, ``found.C.error``, ``found.C.relative``. ``found.interval`` is
    where the best C lies, what one point cannot know included.
    """

    def to_json(self) -> str:
        """As JSON, for :meth:`from_json`; what is not finite is null."""
        return as_json(self)

    @classmethod
    def from_json(cls, text: str) -> "Calibration":
        """Read what :meth:`to_json` wrote, in this version or an earlier one.

        Raises:
            ValueError: If it is something else.
        """
        return cls(**read_json(text))

    def figure(self, path: str | Path | None = None) -> Any:
        """Draw what was measured and the law it implies; needs Matplotlib.

        Args:
            path: Where to save it, if anywhere.

        Returns:
            The Matplotlib figure.

        Raises:
            CalibrationError: If there is no law to be drawn.
        """
        return draw(self, path)

    def __str__(self) -> str:
        """In words."""
        return told(self)
