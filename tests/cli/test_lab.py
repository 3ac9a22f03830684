"""``flatfast sweep``, ``reproduce``, ``report`` and ``list`` on runs that take no time."""

import contextlib
import io
import json
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flatfast.cli.app import run
from flatfast.cli.console import Console
from flatfast.cli.progress import SweepProgress, told_stages
from flatfast.cli.studies import portable
from flatfast.lab import recipes
from flatfast.lab.problems import template
from flatfast.lab.store import read_chunks

pytestmark = pytest.mark.usefixtures("unrendered")

SWEEP = (
    *("sweep", "scalar-product", "--lr", "0.02,0.04", "--momentum", "0.7:0.95:3"),
    *("--records", 16, "--out", "here"),
)


@dataclass(frozen=True)
class Swept:
    """What a sweep of three seeds printed, and its folder."""

    printed: str
    folder: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One sweep for all tests that begin with one."""
    folder = tmp_path_factory.mktemp("sweep")
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.chdir(folder)
        patch.setenv("COLUMNS", "200")
        patch.setenv("TERM", "dumb")
        assert run([str(word) for word in (*SWEEP, "--seeds", 3)]) == 0
    return Swept(" ".join(printed.getvalue().split()), folder / "here")


@pytest.fixture
def swept(made, tmp_path):
    """A copy of the sweep, to be changed."""
    shutil.copytree(made.folder, tmp_path / "here")
    return Swept(made.printed, tmp_path / "here")


def test_a_sweep_writes_its_report(swept):
    assert "scalar-product, 18 runs, into here" in swept.printed
    assert "18/18 runs" in swept.printed
    assert "page: here/index.html" in swept.printed
    assert (swept.folder / "index.html").read_text().startswith("<!doctype html>")
    summary = json.loads((swept.folder / "summary.json").read_text())
    assert summary["problem"]["name"] == "scalar-product"
    assert summary["etas"] == [0.02, 0.04]
    assert summary["counts"]["runs"] == 18
    assert pq.read_table(swept.folder / "runs.parquet").num_rows == 18
    assert "An exponent needs three or more learning rates" in swept.printed


def test_a_repeated_sweep_makes_no_run_again(flatfast, swept):
    before, _ = read_chunks(swept.folder)
    answer = flatfast(*SWEEP, "--seeds", 3)
    assert "18 runs are stored already" in answer.out
    assert read_chunks(swept.folder)[0].equals(before)
    more = flatfast(*SWEEP, "--seeds", 4)
    assert "18 runs are stored already" in more.out
    assert read_chunks(swept.folder)[0].num_rows == 24


def test_other_settings_in_the_same_folder_are_refused(flatfast, swept):
    message = flatfast(*SWEEP, "--seeds", 3, "--nesterov").told(1)
    assert "nesterov" in message
    assert "--fresh" in message
    fresh = flatfast(*SWEEP, "--seeds", 1, "--nesterov", "--fresh")
    assert fresh.code == 0, fresh.err


def test_starting_over_leaves_nothing_of_the_old(flatfast, swept):
    (swept.folder / "notes.txt").write_text("mine")
    (swept.folder / "manifest.json").write_text("{")
    other = ("--fresh", "--seeds", 1, "--goal", "u_norm", "--threshold", 0.999)
    again = flatfast(*SWEEP, *other)
    assert again.code == 0, again.err
    assert "stored already" not in again.out
    summary = json.loads((swept.folder / "summary.json").read_text())
    assert summary["problem"]["goal"]["metric"] == "u_norm"
    assert summary["counts"]["runs"] == 6
    assert (swept.folder / "notes.txt").read_text() == "mine"


WRONG = (
    ("--metric", "speed"),
    ("--spacing", "weird"),
    ("--dtype", "float16"),
    ("--records", 0),
    ("--goal", "u_norm", "--threshold", 1e6, "--absolute"),
    ("--lr", "0.1,0.10000000001"),
)


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_command_that_is_refused_changes_nothing(flatfast, swept, tmp_path):
    before = contents(tmp_path)
    for wrong in WRONG:
        assert flatfast(*SWEEP, "--out", "new", "--steps", 50, *wrong).code == 2
        assert flatfast(*SWEEP, "--fresh", "--steps", 50, *wrong).code == 2
    assert contents(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


def test_longer_runs_in_the_same_folder(flatfast, swept):
    longer = flatfast(*SWEEP, "--seeds", 3, "--duration", 200)
    assert longer.code == 0, longer.err
    assert "18 other runs are stored here that this command does not ask for" in longer.out
    report = flatfast("report", "here")
    assert report.code == 0, report.err
    told = "grid at lr 0.02: the 9 runs of 2,714 steps are used, and set aside are 9 of 1,357"
    assert told in report.out
    assert "set aside" in (swept.folder / "index.html").read_text()
    short = flatfast(*SWEEP, "--seeds", 3)
    assert short.code == 0, short.err
    assert "36 runs are stored already" in short.out
    used = pq.read_table(swept.folder / "runs.parquet")["steps"].to_pylist()
    assert used == [1357] * 9 + [855] * 9


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("flatfast sweep x --out /home/me/runs/a --lr 0.1", "flatfast sweep x --lr 0.1"),
        ("flatfast sweep x --out=/home/me/a --fresh", "flatfast sweep x"),
        ("flatfast sweep '/home/my files/p.py:make'", "flatfast sweep p.py:make"),
        ("flatfast sweep x --set data=/srv/images", "flatfast sweep x"),
        (
            "flatfast sweep x --slurm account=me --slurm=time=9 --seeds 2",
            "flatfast sweep x --seeds 2",
        ),
        ("flatfast sweep x --set file=/srv/a.csv", "flatfast sweep x --set file=a.csv"),
        ("flatfast sweep ../p.py:make --lr 0.1:0.2:3", "flatfast sweep p.py:make --lr 0.1:0.2:3"),
        (
            "flatfast sweep x --engine ray --address 10.0.0.1:6379 --address=head:6379",
            "flatfast sweep x --engine ray",
        ),
    ],
)
def test_a_command_is_kept_without_places(given, kept):
    assert portable(given) == kept


def test_results_name_no_folder_of_the_machine(flatfast, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(Path(template.__file__).read_text())
    words = ["sweep", f"{tmp_path}/mine.py:problem", "--lr", "0.02", "--momentum", "0.5,0.9"]
    words += ["--set", "width=8", "--start", "init", "--seeds", "1", "--steps", "20"]
    words += ["--records", "4", "--out", str(tmp_path / "here")]
    monkeypatch.setattr("sys.argv", ["flatfast", *words])
    assert flatfast(*words).code == 0
    for name in ("manifest.json", "summary.json", "index.html", "runs.parquet"):
        assert str(tmp_path).encode() not in (tmp_path / "here" / name).read_bytes()
    [chunk] = (tmp_path / "here" / "chunks").iterdir()
    assert str(tmp_path).encode() not in chunk.read_bytes()
    told = json.loads((tmp_path / "here" / "summary.json").read_text())["command"]
    assert told.startswith("flatfast sweep mine.py:problem --lr 0.02")


def test_a_report_written_anew_is_the_same(flatfast, swept):
    summary = (swept.folder / "summary.json").read_text()
    (swept.folder / "summary.json").unlink()
    answer = flatfast("report", "here")
    assert answer.code == 0, answer.err
    assert (swept.folder / "summary.json").read_text() == summary


def test_a_report_by_another_goal(flatfast, swept, tmp_path):
    summary = (swept.folder / "summary.json").read_text()
    answer = flatfast("report", "here", "--threshold", 3, "--out", "there")
    assert answer.code == 0, answer.err
    other = json.loads((tmp_path / "there" / "summary.json").read_text())
    assert other["problem"]["goal"]["threshold"] == 3
    assert (swept.folder / "summary.json").read_text() == summary
    assert "give --out" in flatfast("report", "here", "--smoothing", 0).told(2)


def test_a_report_names_what_is_broken(flatfast, swept):
    (swept.folder / "chunks" / "foreign.parquet").write_bytes(b"PAR1 is not enough")
    answer = flatfast("report", "here")
    assert answer.code == 0, answer.err
    assert "foreign.parquet" in answer.out


def test_start_batch_size_and_goal(flatfast, tmp_path):
    answer = flatfast(
        *("sweep", "matrix-sensing", "--lr", 0.003, "--momentum", 0.9, "--start", "init"),
        *("--batch-size", 7, "--set", "dimension=6", "--set", "examples=20", "--set", "rank=1"),
        *("--goal", "test_error", "--threshold", 0.5, "--smoothing", 0, "--steps", 100),
        *("--metric", "loss", "--seeds", 1, "--spacing", "log", "--out", "here"),
    )
    assert answer.code == 0, answer.err
    manifest = json.loads((tmp_path / "here" / "manifest.json").read_text())["settings"]
    problem = manifest["problem"]
    assert problem["settings"]["start"] == "init"
    assert problem["settings"]["batch_size"] == 7
    goal = {"metric": "test_error", "threshold": 0.5, "relative": True, "smoothing": 0.0}
    assert problem["goal"] == goal
    assert "metric:loss" in read_chunks(tmp_path / "here")[0].column_names


def test_somebodys_own_problem(flatfast, tmp_path):
    """The template, copied as its docstring says."""
    (tmp_path / "mine.py").write_text(Path(template.__file__).read_text())
    answer = flatfast(
        *("sweep", "mine.py:problem", "--lr", "0.02", "--momentum", "0.5,0.9", "--set", "width=8"),
        *("--start", "init", "--seeds", 1, "--steps", 20, "--records", 4),
    )
    assert answer.code == 0, answer.err
    assert "wave, 2 runs, into runs/wave" in answer.out
    assert (tmp_path / "runs" / "wave" / "index.html").is_file()


@pytest.fixture
def small_recipe(monkeypatch):
    """Scalar product at three learning rates, in seconds."""
    full = recipes.RECIPES["scalar-product"]["quick"]
    small = replace(
        full,
        lr=(1e-3, 3e-3, 1e-2),
        seeds=16,
        per_decade=6,
        records=64,
        metrics=("u_norm", "v_norm"),
        comparison_lr=(1e-2, 3e-2),
        comparison_seeds=3,
        comparison_steps=2000,
        dtype="float32",
    )
    monkeypatch.setitem(recipes.RECIPES, "scalar-product", {"quick": small, "full": small})


def test_reproduce_goes_from_runs_to_the_comparison(flatfast, tmp_path, small_recipe):
    answer = flatfast("reproduce", "scalar-product", "--out", "here")
    assert answer.code == 0, answer.err
    assert "On scalar-product the fastest momentum obeys" in answer.out
    assert "next: flatfast reproduce scalar-product --full" in answer.out
    assert "law with correction" in answer.out
    assert "with catapults" in answer.out
    summary = json.loads((tmp_path / "here" / "summary.json").read_text())
    exponent = summary["exponent"]
    assert exponent["low"] < exponent["estimate"] < exponent["high"]
    # C and the methods are found again, to the last run, when nothing is left to do.
    again = flatfast("reproduce", "scalar-product", "--out", "here")
    assert f"{summary['counts']['runs']} runs are stored already" in again.out
    assert json.loads((tmp_path / "here" / "summary.json").read_text()) == summary
    # Every method has runs up to its own stability limit, and so have the oracles.
    assert {1e-2, 3e-2} <= set(summary["comparison"]["etas"])
    for method in summary["comparison"]["methods"]:
        outcomes = [entry["outcome"] for entry in method["at_eta"]]
        assert len(outcomes) >= 3
        assert "no runs" not in outcomes
        share = max(entry["eta"] for entry in method["at_eta"]) / method["stability_limit"]
        assert (0.6 if method["name"].startswith("best") else 0.94) < share < 1


def test_reproduce_with_settings_is_another_experiment(flatfast, small_recipe):
    answer = flatfast("reproduce", "scalar-product", "--set", "noise_std=0.2", "--out", "here")
    assert answer.code == 0, answer.err
    assert "noise_std" in flatfast("reproduce", "scalar-product", "--out", "here").told(1)


def test_list_names_every_experiment(flatfast):
    answer = flatfast("list")
    assert answer.code == 0
    for name in recipes.RECIPES:
        assert name in answer.out
        quick, full = (recipes.recipe_of(name, size) for size in ("quick", "full"))
        if not full.adaptive:
            assert f"{quick.grid_size():,}, {full.grid_size():,}" in answer.out
    adaptive = [name for name in recipes.RECIPES if recipes.recipe_of(name, "full").adaptive]
    assert answer.out.count("chosen as it goes") == len(adaptive) >= 3
    assert answer.out.count("Needs data: --data FOLDER") == 2  # fashion-mlp, cifar-resnet


def test_version_and_help(flatfast):
    assert re.fullmatch(r"\d+\.\d+\.\d+", flatfast("--version").out)
    assert "momentum" in flatfast("--help").out


def test_a_sweep_that_reaches_nothing_says_what_to_try(flatfast):
    words = ("--lr", 0.02, "--momentum", 0.5, "--steps", 20, "--seeds", 2, "--records", 8)
    told = flatfast("sweep", "scalar-product", *words).out
    assert "Make the runs longer (--duration), try higher momenta" in told
    assert "next: the same command with more --lr, --momentum or --seeds" in told


def progress_lines(terminal, patience, monkeypatch):
    monkeypatch.setattr("flatfast.cli.progress.PATIENCE", patience)
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    with SweepProgress(console, ("grid",)) as bars, told_stages(console, "forecast: ") as tell:
        bars.begin(6, 2, 40, 1)
        bars.advance(1, 10, 10)
        tell("a closer look")
        printed = console.file.getvalue()
    return printed


def test_where_no_bar_is_drawn_lines_say_that_the_work_goes_on(monkeypatch):
    printed = progress_lines(False, 0.0, monkeypatch)
    assert "grid: 3/6 runs" in printed
    assert "forecast: a closer look" in printed
    assert progress_lines(False, 1e6, monkeypatch) == ""
    assert "grid: 3/6 runs" not in progress_lines(True, 0.0, monkeypatch)


class TestRecords:
    """A goal that is read after cooling: each record takes hundreds of steps of its own."""

    SWEEP = (
        *("sweep", "scalar-product", "--lr", 0.02, "--momentum", "0.5,0.9", "--steps", 20),
        *("--metric", "cooled:trace", "--out", "here"),
    )

    def test_what_reading_costs_is_told(self, flatfast, unrendered):
        answer = flatfast(*self.SWEEP, "--seeds", 1)
        assert "takes 480 times the steps of the training: 32 records of 300 steps" in answer.out
        assert "fewer --records are faster, and their times coarser" in answer.out
        assert "reproduce" not in answer.out  # its 256 are no example of fewer
        more = flatfast(*self.SWEEP, "--seeds", 1, "--records", 300, "--out", "more").out
        assert "(reproduce does with 256 with --quick, 256 with --full)" in more

    def test_a_sweep_that_goes_on_keeps_its_records(self, flatfast, tmp_path, unrendered):
        told = flatfast(*self.SWEEP, "--seeds", 1, "--records", 3).out
        assert "as the runs in" not in told
        told = flatfast(*self.SWEEP, "--seeds", 2).out
        assert "3 records a run, as the runs in here have" in told
        assert "fewer --records, with another --out, are faster" in told
        manifest = json.loads((tmp_path / "here" / "manifest.json").read_text())
        assert manifest["settings"]["records"] == 3
        assert pq.read_table(tmp_path / "here" / "runs.parquet").num_rows == 4

    @pytest.mark.parametrize("text", [None, "", '{"format": 2, "sett', '{"name": "a web page"}', 5])
    def test_records_are_known_without_a_manifest(self, flatfast, tmp_path, unrendered, text):
        """The runs say which they have, and the sweep that goes on puts the manifest back."""
        assert flatfast(*self.SWEEP, "--seeds", 1, "--records", 3).code == 0
        path = tmp_path / "here" / "manifest.json"
        before = json.loads(path.read_text())
        if text is None:
            path.unlink()
        elif text == 5:  # a manifest of other runs
            path.write_text(
                json.dumps({**before, "settings": {**before["settings"], "records": 5}})
            )
        else:
            path.write_text(text)
        answer = flatfast(*self.SWEEP, "--seeds", 2)
        assert answer.code == 0, answer.err
        assert "3 records a run, as the runs in here have" in answer.out
        assert json.loads(path.read_text())["settings"] == before["settings"]
        assert pq.read_table(tmp_path / "here" / "runs.parquet").num_rows == 4
