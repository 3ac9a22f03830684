"""The answer for the command line: what ``flatfast.rescaling`` carries of this study's result."""

from studies.study import ROOT, Result, write_json
from studies.transfer.verdict import WITHIN

PATH = ROOT / "src" / "flatfast" / "rescaling" / "measured.json"


def measured(result: Result) -> Result:
    """By kind of training and change, every way with what was measured of it, the best first."""
    kinds = {
        kind: {change: [_told(way) for way in ways] for change, ways in changes.items()}
        for kind, changes in result["matrix"].items()
    }
    return {"study": "transfer", "within": WITHIN, "kinds": kinds}


def _told(way: Result) -> Result:
    kept = ("way", "cases", "within", "transfers", "worst", "worst_failures", "failures", "runs")
    return {name: way[name] for name in kept}


def write_measured(result: Result) -> None:
    """Write it beside the rules."""
    write_json(PATH, measured(result))
