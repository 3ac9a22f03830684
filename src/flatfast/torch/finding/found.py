"""What was found, as it is handed out: the result, which also tells and draws itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flatfast.torch.finding.figure import draw
from flatfast.torch.finding.result import Result
from flatfast.torch.finding.words import in_words


@dataclass(frozen=True, repr=False)
class Found(Result):
    """A pair of learning rate and momentum, by short runs from one state of a training.

    ``str()`` tells it in words, :meth:`figure` draws it; the numbers are those of
    :class:`flatfast.torch.finding.result.Result`: ``found.lr`` and ``found.momentum`` first.
    """

    def figure(self, path: str | Path | None = None) -> Any:
        """Draw what was run, and how the best moves; needs Matplotlib.

        Args:
            path: Where to save it, if anywhere.

        Returns:
            The Matplotlib figure, readable on light and on dark pages.
        """
        return draw(self, path)

    def __str__(self) -> str:
        """In words."""
        return in_words(self)

    __repr__ = __str__
