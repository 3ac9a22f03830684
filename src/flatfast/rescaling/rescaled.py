"""What a rule made of a setting, as it is handed out."""

from dataclasses import dataclass, field

from flatfast.rescaling.setting import Setting
from flatfast.rescaling.words import moves


@dataclass(frozen=True)
class Rescaled(Setting):
    """A setting at its new batch and learning rate, and what the rule says of it.

    ``str()`` tells it in words: what each number was and is, and the doubts.

    Attributes:
        rule: The rule's name.
        keeps: What it keeps.
        exact_where: The situation in which that is all that counts.
        source: Who found it.
        doubts: What it cannot keep here, a sentence each; none where it serves.
        before: The setting that was tuned.
    """

    rule: str = ""
    keeps: str = ""
    exact_where: str = ""
    source: str = ""
    doubts: tuple[str, ...] = ()
    before: Setting | None = field(default=None, repr=False, compare=False)

    @property
    def inside(self) -> bool:
        """Whether this change is inside of the rule's domain."""
        return not self.doubts

    @property
    def change(self) -> str:
        """The rule, and what each number was and is, in one line."""
        told = moves(self.before, self)
        return f"{self.rule}: {told}" if self.rule else told

    def __str__(self) -> str:
        """In words."""
        return "\n".join([self.change, *(f"doubt: {doubt}" for doubt in self.doubts)])
