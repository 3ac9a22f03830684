"""What a coupling warns of while it writes momenta."""

from flatfast.torch.followed import Followed
from flatfast.torch.warned import warn
from flatfast.torch.writers import rounding


class Cautions:
    """The warnings of a coupling, each given once and not looked for again."""

    def __init__(self, total_steps: int | None) -> None:
        """None given yet.

        Args:
            total_steps: Length of the training, where it was given.
        """
        self._total_steps = total_steps
        self._end_told = self._type_told = self._floor_told = False

    def tell(self, written: Followed, left: int | None) -> None:
        """Warn of what is to be said of a group, written just now.

        Args:
            written: The group.
            left: How many steps remain, with the one to come; None where nobody knows.
        """
        if left is not None and left < 1 and not self._end_told:
            self._end_told = True
            warn(
                f"training goes on after total_steps = {self._total_steps}: from here on the "
                "momentum is the law's, whose memory may outlast the training"
            )
        if not self._type_told and (doubt := rounding(written)):
            self._type_told = True
            warn(doubt)
        if not self._floor_told and (doubt := written.at_floor()):
            self._floor_told = True
            warn(doubt)
