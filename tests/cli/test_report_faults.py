"""What keeps a report from being written is told with where the runs are, and costs no run."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from flatfast.lab.store import Store, read_chunks
from tests.cli.conftest import TINY
from tests.lab.fake import SETTINGS, plan, rows_of

pytestmark = pytest.mark.usefixtures("unrendered")

SWEEP = ("sweep", "scalar-product", "--lr", 0.02, "--momentum", 0.9, *TINY, "--steps", 20)


@pytest.fixture
def runs(tmp_path):
    """A folder of runs."""
    with Store(tmp_path / "runs", SETTINGS) as store:
        store.append(rows_of(plan()))
    return tmp_path / "runs"


def in_the_way(name: str, make: Callable[[Path], object]) -> Callable[[Path], object]:
    def put(folder: Path) -> None:
        folder.mkdir()
        make(folder / name)

    return put


@pytest.mark.parametrize(
    ("put", "fault"),
    [
        (in_the_way("figures", Path.touch), "is in the way (there/figures)"),
        (in_the_way("index.html", Path.mkdir), "Is a directory (there/index.html)"),
        (in_the_way("runs.parquet", Path.mkdir), "Is a directory (there/runs.parquet)"),
        (lambda there: there.symlink_to("nowhere"), "is in the way (there)"),
        (Path.touch, "Not a directory (there/figures)"),
    ],
)
def test_something_in_the_way_of_a_report(flatfast, runs, tmp_path, put, fault):
    put(tmp_path / "there")
    message = flatfast("report", "runs", "--out", "there").told(1)
    assert message.startswith("flatfast: the report cannot be written to there: ")
    assert fault in message
    assert "The runs are safe in runs" in message
    assert "flatfast report runs --out ANOTHER" in message
    assert flatfast("report", "runs", "--out", "another").code == 0


def test_a_disk_that_is_full_when_the_report_is_written(flatfast, tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("flatfast.lab.report.write.export_runs", full)
        message = flatfast(*SWEEP, "--out", "a b").told(1)
    assert "the report cannot be written to a b: No space left on device. " in message
    assert "make room, or let flatfast report 'a b' --out ANOTHER write" in message
    assert read_chunks(tmp_path / "a b")[0].num_rows == 2
    assert flatfast("report", "a b").code == 0


def test_a_manifest_that_is_a_folder_costs_no_report(flatfast, runs):
    (runs / "manifest.json").unlink()
    (runs / "manifest.json").mkdir()
    answer = flatfast("report", "runs")
    assert answer.code == 0, answer.err
    assert "runs/manifest.json is not a manifest: it is a folder" in answer.out
    message = flatfast(*SWEEP, "--out", "runs").told(1)
    assert "holds runs of other settings" in message


def test_chunks_that_are_a_file(flatfast, runs, tmp_path):
    (runs / "chunks").rename(tmp_path / "saved")
    (runs / "chunks").touch()
    answer = flatfast("report", "runs")
    assert "no report of runs: none of its runs can be used" in answer.told(2)
    assert "runs/chunks is a file where the folder of the runs should be" in answer.out
    message = flatfast(*SWEEP, "--out", "runs").told(1)
    assert "cannot write to runs: a file, or a link that leads nowhere, is in the way" in message
    assert "runs/chunks" in message
