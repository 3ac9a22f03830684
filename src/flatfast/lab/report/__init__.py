"""Stored runs and fits as a page, figures and one JSON document.

Reads data, never a simulator: everything here works on the output of a sweep, on any machine::

    study = flatfast.lab.analysis.analyse(runs, manifest)
    page = write_report(study, folder)
"""

from flatfast.lab.report.narrative import headline, sample_line
from flatfast.lab.report.study import CannotDraw, Study
from flatfast.lab.report.summary import SCHEMA_VERSION, summarise
from flatfast.lab.report.undetermined import advice
from flatfast.lab.report.write import remove_report, write_report

__all__ = [
    "SCHEMA_VERSION",
    "CannotDraw",
    "Study",
    "advice",
    "headline",
    "remove_report",
    "sample_line",
    "summarise",
    "write_report",
]
