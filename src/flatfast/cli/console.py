"""The terminal: texts from elsewhere are printed as they are, and a closed pipe stops no work."""

import os
from collections.abc import Iterable
from typing import Any

from rich import console
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from flatfast.cli.printable import printable


class Console(console.Console):
    """A console for texts of which some are not ours.

    Control characters in them are shown, not sent. When the reader of a pipe goes away (``| head``)
    the rest is not printed, and the work goes on.
    """

    def __init__(self, **options: Any) -> None:
        """As :class:`rich.console.Console`; names such as ``:x:`` stay as they are."""
        super().__init__(**{"emoji": False, **options})

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Segments of a renderable, control characters of its text made visible."""
        for segment in super().render(renderable, options):
            text, style, control = segment
            yield segment if control else Segment(printable(text), style)

    def on_broken_pipe(self) -> None:
        """Print no more."""
        self.quiet = True
        # Also what is buffered still, and what the interpreter writes as it ends.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)

    def say(self, *pieces: str | tuple[str, str]) -> None:
        """Print a line of texts, plain or each with a style; nothing in them is read as markup."""
        self.print(Text.assemble(*pieces), soft_wrap=True)

    def note(self, text: str) -> None:
        """Print something to know of, such as what was left out."""
        self.say(("note:", "yellow"), " ", text)
