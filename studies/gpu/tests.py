"""The adapters' tests on a GPU, and what came of each kind."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from flatfast.lab.machine import usable_cores
from studies.gpu.apart import Job
from studies.gpu.devices import torch_device
from studies.study import ROOT, Result

FOLDERS = ("tests/torch", "tests/optax")
OF_A_GPU = (
    "tests/torch/test_sgd_on_gpu.py",
    "tests/torch/test_calibration.py",
    "tests/torch/test_gauge_on_gpu.py",
    "tests/torch/test_label_noise_draws.py",
)
"""Where tests have the mark ``gpu``; a test sees to it that these are all."""


def measure(job: Job) -> Result:
    """Run them.

    Raises:
        RuntimeError: If pytest itself fails: a test that fails is a result.
    """
    report = job.folder / "answers" / "junit.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    if job.options["whole"]:
        chosen = ["tests/torch/test_corrected_law.py"] if job.quick else [*FOLDERS]
    else:
        chosen = ["-m", "gpu", *OF_A_GPU[: 1 if job.quick else None]]
    apart = ["-p", "no:cacheprovider", "-p", "no:xdist", f"--junitxml={report}"]
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", *apart, *chosen], cwd=ROOT)
    if done.returncode not in (0, 1):  # 1: some failed
        raise RuntimeError(f"pytest ended with {done.returncode}")
    found = counted(report)
    report.unlink()
    told = ", ".join(f"{found[name]} {name}" for name in ("passed", "failed", "skipped"))
    failed = "; ".join(list(found["failures"])[:3])
    return {
        "told": told + (f": {failed}" if failed else ""),
        **found,
        "cores": usable_cores(),
        "device": torch_device(),
    }


def counted(report: Path) -> Result:
    """What a JUnit file says: how many passed, failed and were skipped, and why, by name."""
    passed, failures, skipped = 0, {}, {}
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        wrong = next((case.find(kind) for kind in ("failure", "error") if _has(case, kind)), None)
        if wrong is not None:
            failures[name] = str(wrong.get("message"))[:300]
        elif _has(case, "skipped"):
            found = case.find("skipped")
            skipped[name] = str(found.get("message")) if found is not None else ""
        else:
            passed += 1
    return {
        "passed": passed,
        "failed": len(failures),
        "skipped": len(skipped),
        "failures": failures,
        "why_skipped": sorted(set(skipped.values())),
    }


def _has(case: ElementTree.Element, kind: str) -> bool:
    return case.find(kind) is not None
