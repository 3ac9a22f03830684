"""``flatfast sweep``, ``reproduce``, ``report`` and ``list`` on runs that take no time."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flatfast.cli.studies import portable
from flatfast.lab import recipes
from flatfast.lab.problems import template
from flatfast.lab.store import read_chunks
from tests.cli.conftest import TINY

SWEEP = ("sweep", "scalar-product", "--lr", "0.02,0.04", "--momentum", "0.7:0.95:3")


def test_a_sweep_writes_its_report(flatfast, tmp_path):
    answer = flatfast(*SWEEP, "--seeds", 3, "--out", "here")
    assert answer.code == 0, answer.err
    assert "scalar-product, 18 runs, into here" in answer.out
    assert "18/18 runs" in answer.out
    page = tmp_path / "here" / "index.html"
    assert f"page: {page.relative_to(tmp_path)}" in answer.out
    assert page.read_text().startswith("<!doctype html>")
    summary = json.loads((tmp_path / "here" / "summary.json").read_text())
    assert summary["problem"]["name"] == "scalar-product"
    assert summary["etas"] == [0.02, 0.04]
    assert summary["counts"]["runs"] == 18
    assert pq.read_table(tmp_path / "here" / "runs.parquet").num_rows == 18
    assert "An exponent needs three or more learning rates" in answer.out


def test_a_repeated_sweep_makes_no_run_again(flatfast, tmp_path):
    flatfast(*SWEEP, "--seeds", 2, "--out", "here")
    before, _ = read_chunks(tmp_path / "here")
    answer = flatfast(*SWEEP, "--seeds", 2, "--out", "here")
    assert "12 runs are stored already" in answer.out
    assert read_chunks(tmp_path / "here")[0].equals(before)
    more = flatfast(*SWEEP, "--seeds", 3, "--out", "here")
    assert "12 runs are stored already" in more.out
    assert read_chunks(tmp_path / "here")[0].num_rows == 18


def test_other_settings_in_the_same_folder_are_refused(flatfast):
    flatfast(*SWEEP, *TINY[2:], "--out", "here")
    message = flatfast(*SWEEP, *TINY[2:], "--nesterov", "--out", "here").told(1)
    assert "nesterov" in message
    assert "--fresh" in message
    fresh = flatfast(*SWEEP, *TINY[2:], "--nesterov", "--out", "here", "--fresh")
    assert fresh.code == 0, fresh.err


def test_starting_over_leaves_nothing_of_the_old(flatfast, tmp_path):
    flatfast(*SWEEP, *TINY[2:], "--out", "here")
    here = tmp_path / "here"
    (here / "notes.txt").write_text("mine")
    (here / "manifest.json").write_text("{")
    again = flatfast(
        *(*SWEEP, *TINY[2:], "--out", "here", "--fresh"), "--goal", "u_norm", "--threshold", 0.999
    )
    assert again.code == 0, again.err
    assert "stored already" not in again.out
    summary = json.loads((here / "summary.json").read_text())
    assert summary["problem"]["goal"]["metric"] == "u_norm"
    assert (here / "notes.txt").read_text() == "mine"


WRONG = (
    ("--metric", "speed"),
    ("--spacing", "weird"),
    ("--dtype", "float16"),
    ("--records", 0),
    ("--goal", "u_norm", "--threshold", 1e6, "--absolute"),
    ("--lr", "0.1,0.10000000001"),
)


def test_a_command_that_is_refused_changes_nothing(flatfast, tmp_path):
    words = (*SWEEP, *TINY[2:], "--steps", 50)
    for wrong in WRONG:
        assert flatfast(*words, "--out", "new", *wrong).code == 2
    assert list(tmp_path.iterdir()) == []
    assert flatfast(*words, "--out", "here").code == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for wrong in WRONG:
        assert flatfast(*words, "--out", "here", *wrong, "--fresh").code == 2
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_longer_runs_in_the_same_folder(flatfast, tmp_path):
    words = (*SWEEP, "--seeds", 2, "--out", "here")
    assert flatfast(*words, "--duration", 30).code == 0
    longer = flatfast(*words, "--duration", 60)
    assert longer.code == 0, longer.err
    assert "12 other runs are stored here that this command does not ask for" in longer.out
    short = flatfast(*words, "--duration", 30)
    assert short.code == 0, short.err
    assert "24 runs are stored already" in short.out
    assert pq.read_table(tmp_path / "here" / "runs.parquet")["steps"].to_pylist() == (
        [round(30 * 0.02 ** (-2 / 3))] * 6 + [round(30 * 0.04 ** (-2 / 3))] * 6
    )
    report = flatfast("report", "here")
    assert report.code == 0, report.err
    assert "grid at lr 0.02: the 6 runs of 814 steps are used, and set aside are 6 of 407" in (
        report.out
    )
    assert "set aside" in (tmp_path / "here" / "index.html").read_text()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("flatfast sweep x --out /home/me/runs/a --lr 0.1", "flatfast sweep x --lr 0.1"),
        ("flatfast sweep x --out=/home/me/a --fresh", "flatfast sweep x"),
        ("flatfast sweep '/home/my files/p.py:make'", "flatfast sweep p.py:make"),
        ("flatfast sweep x --set data=/srv/images", "flatfast sweep x --set data=images"),
        ("flatfast sweep ../p.py:make --lr 0.1:0.2:3", "flatfast sweep p.py:make --lr 0.1:0.2:3"),
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


def test_a_report_written_anew_is_the_same(flatfast, tmp_path):
    flatfast(*SWEEP, "--seeds", 2, "--out", "here")
    summary = (tmp_path / "here" / "summary.json").read_text()
    (tmp_path / "here" / "summary.json").unlink()
    answer = flatfast("report", "here")
    assert answer.code == 0, answer.err
    assert (tmp_path / "here" / "summary.json").read_text() == summary


def test_a_report_by_another_goal(flatfast, tmp_path):
    flatfast(*SWEEP, "--seeds", 2, "--out", "here")
    summary = (tmp_path / "here" / "summary.json").read_text()
    answer = flatfast("report", "here", "--threshold", 3, "--out", "there")
    assert answer.code == 0, answer.err
    other = json.loads((tmp_path / "there" / "summary.json").read_text())
    assert other["problem"]["goal"]["threshold"] == 3
    assert (tmp_path / "here" / "summary.json").read_text() == summary
    assert "give --out" in flatfast("report", "here", "--smoothing", 0).told(2)


def test_a_report_names_what_is_broken(flatfast, tmp_path):
    flatfast(*SWEEP, *TINY[2:], "--out", "here")
    (tmp_path / "here" / "chunks" / "foreign.parquet").write_bytes(b"PAR1 is not enough")
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
    )
    monkeypatch.setitem(recipes.RECIPES, "scalar-product", {"quick": small, "full": small})


def test_reproduce_goes_from_runs_to_the_comparison(flatfast, tmp_path, small_recipe):
    answer = flatfast("reproduce", "scalar-product", "--out", "here")
    assert answer.code == 0, answer.err
    assert "On scalar-product the fastest momentum obeys" in answer.out
    assert "next: flatfast reproduce scalar-product --full" in answer.out
    assert "plain SGD, same effective step" in answer.out
    summary = json.loads((tmp_path / "here" / "summary.json").read_text())
    exponent = summary["exponent"]
    assert exponent["low"] < exponent["estimate"] < exponent["high"]
    # C and the methods are found again, to the last run, when nothing is left to do.
    again = flatfast("reproduce", "scalar-product", "--out", "here")
    assert f"{summary['counts']['runs']} runs are stored already" in again.out
    assert json.loads((tmp_path / "here" / "summary.json").read_text()) == summary
    # Every method has runs at every learning rate compared, and so have the oracles.
    for method in summary["comparison"]["methods"]:
        outcomes = [entry["outcome"] for entry in method["at_eta"]]
        assert len(outcomes) == 2
        assert "no runs" not in outcomes


def test_reproduce_with_settings_is_another_experiment(flatfast, tmp_path, small_recipe):
    answer = flatfast("reproduce", "scalar-product", "--set", "noise_std=0.2", "--out", "here")
    assert answer.code == 0, answer.err
    assert "noise_std" in flatfast("reproduce", "scalar-product", "--out", "here").told(1)


def test_list_names_every_experiment(flatfast):
    answer = flatfast("list")
    assert answer.code == 0
    for name in recipes.RECIPES:
        assert name in answer.out
        sizes = [recipes.recipe_of(name, size).grid_size() for size in ("quick", "full")]
        assert f"{sizes[0]:,}, {sizes[1]:,}" in answer.out


def test_version_and_help(flatfast):
    assert re.fullmatch(r"\d+\.\d+\.\d+", flatfast("--version").out)
    assert "momentum" in flatfast("--help").out
