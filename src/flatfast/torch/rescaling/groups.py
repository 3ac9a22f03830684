"""What became of an optimizer's parameter groups, as it is handed out."""

from flatfast.rescaling import Rescaled


class RescaledGroups(tuple[Rescaled, ...]):
    """The setting of each parameter group, in their order.

    A tuple of :class:`flatfast.Rescaled`; ``str()`` tells what changed in words, with the doubts.
    """

    __slots__ = ()

    def __str__(self) -> str:
        """A line for groups that change alike, then a line for each doubt."""
        if len(self) == 1:
            return str(self[0])
        lines = [f"{self._whose(groups)}: {line}" for line, groups in self._by_line().items()]
        for doubt, groups in self._by_doubt().items():
            of = "" if len(groups) == len(self) else f" of {self._whose(groups)}"
            lines.append(f"doubt{of}: {doubt}")
        return "\n".join(lines)

    def _by_line(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for index, each in enumerate(self):
            found.setdefault(each.change, []).append(index)
        return found

    def _by_doubt(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for index, each in enumerate(self):
            for doubt in each.doubts:
                found.setdefault(doubt, []).append(index)
        return found

    def _whose(self, groups: list[int]) -> str:
        if len(groups) == len(self):
            return f"all {len(self)} groups"
        return f"group{'s' * (len(groups) > 1)} {', '.join(map(str, groups))}"
