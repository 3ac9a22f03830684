"""What a user can get wrong, and what the machine can: a message each, no traceback."""

import os
import signal
import time

import pytest

from flatfast.lab.store import read_chunks
from tests.cli.conftest import TINY

pytestmark = pytest.mark.usefixtures("unrendered")

PAIR = ("--lr", 0.02, "--momentum", 0.9, *TINY[2:])
SCALAR = ("sweep", "scalar-product", *PAIR)
DIGITS = ("sweep", "digits-mlp", *PAIR)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sweep", "matrix-sensin", *PAIR], "did you mean matrix-sensing?"),
        (["reproduce", "scalar"], "did you mean scalar-product?"),
        (["sweep", "mine.py", *PAIR], "name the function in the file too: mine.py:problem"),
        (["sweep", "mine.py:problem", *PAIR], "no file mine.py"),
        ([*SCALAR, "--set", "noise=1"], "did you mean noise_std?"),
        ([*SCALAR, "--set", "noise_std"], "--set takes NAME=VALUE, got 'noise_std'"),
        ([*SCALAR, "--set", "noise_std=-1"], "noise_std must be at least 0"),
        ([*SCALAR, "--set", "noise_std=much"], "noise_std must be a number, got 'much'"),
        ([*SCALAR, "--set", "noise_std=true"], "noise_std must be a number, got True"),
        ([*SCALAR, "--set", "width=2.5"], "width must be a whole number, got 2.5"),
        ([*SCALAR, "--set", "start=3"], "start must be text, got 3"),
        ([*DIGITS, "--set", "depth=deep"], "depth must be a whole number, got 'deep'"),
        ([*SCALAR, "--lr", "0.1:0.2"], "lr takes a list like 0.1,0.2 or a range like 0.1:0.4:5"),
        ([*SCALAR, "--lr", "0.1:0.2:0"], "got '0.1:0.2:0'"),
        ([*SCALAR, "--lr", "0"], "lr must be positive and finite, got 0"),
        ([*SCALAR, "--lr", "nan"], "lr must be positive and finite, got nan"),
        ([*SCALAR, "--momentum", "1"], "momentum must be in [0, 1), got 1"),
        ([*SCALAR, "--momentum", "-0.1"], "momentum must be in [0, 1), got -0.1"),
        ([*SCALAR, "--momentum", "0.9:1:3"], "momentum must be in [0, 1), got 1"),
        (["sweep", "scalar-product"], "a sweep needs --lr, e.g. --lr 0.002:0.02:4"),
        (["sweep", "scalar-product"], "and --momentum, e.g. --momentum 0.8:0.998:16"),
        (["sweep", "scalar-product", *PAIR[:2]], "a sweep needs --momentum, e.g."),
        ([*SCALAR, "--seeds", 0], "seeds must be at least 1, got 0"),
        ([*SCALAR, "--steps", 0], "steps must be positive"),
        ([*SCALAR, "--duration", -3], "duration must be positive and finite, got -3"),
        ([*SCALAR, "--records", 0], "records must be"),
        ([*SCALAR, "--spacing", "cubic"], "cubic"),
        ([*SCALAR, "--dtype", "float8"], "float8"),
        ([*SCALAR, "--metric", "speed"], "speed"),
        ([*SCALAR, "--goal", "trace"], "--goal trace needs a --threshold"),
        ([*SCALAR, "--goal", "nothing", "--threshold", 0.5], "nothing"),
        ([*SCALAR, "--threshold", 1.5], "a relative threshold must be below 1"),
        ([*SCALAR, "--smoothing", -1], "smoothing must be finite and at least 0, got -1"),
        (["report", "nowhere"], "nowhere"),
        (["polish"], "No such command 'polish'"),
    ],
)
def test_wrong_words(flatfast, words, message):
    answer = flatfast(*words)
    assert message in answer.told(2 if words[0] != "report" else 1)


def test_a_threshold_that_the_start_meets(flatfast, tmp_path):
    words = ("--goal", "u_norm", "--threshold", 1e6, "--absolute", "--out", "here")
    message = flatfast(*SCALAR, *words).told(2)
    assert "1e+06" in message
    assert "start" in message
    assert not (tmp_path / "here").exists()


def test_a_learning_rate_above_the_stability_limit_is_a_warning(flatfast):
    answer = flatfast(*SCALAR, "--lr", "0.01,9")
    assert answer.code == 0, answer.err
    assert "note: lr 9 is above the stability limit at the start" in answer.out
    assert "diverged" in answer.out


def test_an_output_folder_that_is_a_file(flatfast, tmp_path):
    (tmp_path / "here").write_text("a letter")
    message = flatfast(*SCALAR, "--out", "here").told(1)
    assert "here" in message
    assert "folder" in message
    assert (tmp_path / "here").read_text() == "a letter"


def test_an_output_folder_that_cannot_be_written(flatfast):
    assert "/proc/flatfast" in flatfast(*SCALAR, "--out", "/proc/flatfast").told(1)


def test_a_folder_of_something_else(flatfast, tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "thesis.tex").write_text("dear to somebody")
    message = flatfast(*SCALAR, "--out", "here", "--fresh").told(1)
    assert "not empty and holds no sweep (thesis.tex)" in message
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["thesis.tex"]


BROKEN = """
import jax.numpy as jnp
from flatfast.lab.goal import Goal
from flatfast.lab.problem import Problem

def make(**change):
    parts = dict(
        name="mine",
        start=lambda: {"w": jnp.ones(3)},
        gradient=lambda params, key: params,
        loss=lambda params: jnp.sum(params["w"] ** 2),
        metrics={"size": lambda params: jnp.sum(params["w"] ** 2)},
        goal=Goal("size", 0.5),
    )
    return Problem(**{**parts, **change})

def good(): return make()
def shape(): return make(gradient=lambda params, key: {"w": params["w"][:2]})
def vector(): return make(metrics={"size": lambda params: params["w"]})
def nan(): return make(metrics={"size": lambda params: jnp.sum(params["w"]) * jnp.nan})
def spelling(): return make(gradient=lambda params, key: params.weights)
def missing(): return make(metrics={"size": lambda params: params["v"]})
def branch(): return make(gradient=lambda params, key: params if params["w"][0] > 0 else params)
def other(): return "not a problem"
def fails(): return 1 / 0
"""


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("shape", "gradient must have the shape of the parameters, (3,), got (2,)"),
        ("vector", "metric 'size' must be a scalar, got an array of shape (3,)"),
        ("nan", "metric 'size' is nan at the start; it must be finite there"),
        ("spelling", "mine.py, line 21)"),
        ("missing", "mine.py, line 22)"),
        ("branch", "mine.py, line 23)"),
        ("other", "must return a flatfast Problem, got str"),
        ("fails", "ZeroDivisionError: division by zero ("),
        ("absent", "no function 'absent' in"),
    ],
)
def test_somebodys_problem_is_wrong(flatfast, tmp_path, function, message):
    (tmp_path / "mine.py").write_text(BROKEN)
    answer = flatfast("sweep", f"mine.py:{function}", *PAIR, "--steps", 10)
    assert message in answer.told(1 if function in ("fails", "spelling", "missing") else 2)


def test_somebodys_problem_is_right(flatfast, tmp_path):
    (tmp_path / "mine.py").write_text(BROKEN)
    assert flatfast("sweep", "mine.py:good", *PAIR, "--steps", 10).code == 0


def test_somebodys_file_is_no_python(flatfast, tmp_path):
    (tmp_path / "mine.py").write_text("def problem(:")
    message = flatfast("sweep", "mine.py:problem", *PAIR).told(2)
    assert "mine.py could not be imported: SyntaxError" in message


def test_a_problem_that_does_not_interpolate(flatfast):
    words = ("--set", "student_width=1", "--set", "teacher_width=3")
    message = flatfast("sweep", "teacher-student", *PAIR, *words).told(1)
    assert "loss" in message


LONG = (*SCALAR, "--seeds", 300, "--steps", 3000, "--lr", "0.001:0.01:12", "--threshold", 1e-9)
"""Many chunks, none of which settles."""


def test_ctrl_c_says_how_to_go_on(process, tmp_path):
    running = process(*LONG, "--out", "here")
    chunks = tmp_path / "here" / "chunks"
    while running.poll() is None and len(list(chunks.glob("*.parquet"))) < 2:
        time.sleep(0.02)
    os.kill(running.pid, signal.SIGINT)
    _, err = running.communicate(timeout=120)
    message = " ".join(err.split())
    assert running.returncode == 130
    assert "Traceback" not in message
    stored = read_chunks(tmp_path / "here")[0].num_rows
    assert stored > 0
    assert f"stopped: {stored} of 3600 runs are stored in here" in message
    assert "repeat the command to go on from there" in message


LIMIT = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
"""


def test_a_full_disk(process, tmp_path):
    """A limit on file size makes a write fail part of the way, as a full disk does."""
    running = process(*LONG, "--records", 64, "--out", "here", before=LIMIT)
    _, err = running.communicate(timeout=300)
    message = " ".join(err.split())
    assert running.returncode == 1, message
    assert "Traceback" not in message
    assert "cannot write" in message
    assert "repeat the command" in message
