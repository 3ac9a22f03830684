"""Every example runs on tiny settings, as its reader would run it; other settings, in-process."""

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flatfast import MomentumLaw
from tests.made_up import image_folder

EXAMPLES = Path(__file__).parent.parent / "examples"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def command(name, *options):
    return [sys.executable, str(EXAMPLES / name), *map(str, options)]


def run(name, *options):
    done = subprocess.run(
        command(name, *options), env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def run_here(monkeypatch, capsys):
    """Runs a script in this process, which has imported the libraries already."""

    def run_script(name, *options):
        monkeypatch.setattr(sys, "argv", [name, *map(str, options)])
        monkeypatch.syspath_prepend(EXAMPLES)
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return run_script


def test_pytorch():
    pytest.importorskip("torch", reason="needs the torch extra")
    law = MomentumLaw.from_reference(0.02, 0.9)
    header, *rows = run("pytorch_digits.py", "--steps", 20).splitlines()
    assert header.split()[:3] == ["step", "lr", "momentum"]
    assert len(rows) == 10
    _, lr, momentum, *_ = map(float, rows[0].split()[:4])
    assert momentum == pytest.approx(law(lr), abs=1e-3)


def test_pytorch_without_the_law(run_here):
    pytest.importorskip("torch", reason="needs the torch extra")
    _, *rows = run_here("pytorch_digits.py", "--steps", 20, "--momentum", 0).splitlines()
    assert {row.split()[2] for row in rows} == {"0.0000"}


def test_lightning(tmp_path):
    pytest.importorskip("lightning", reason="needs the lightning extra")
    printed = run("lightning_digits.py", "--epochs", 2, "--out", tmp_path)
    assert "test accuracy" in printed
    assert list(tmp_path.rglob("events*"))


def test_transformers(tmp_path):
    pytest.importorskip("transformers", reason="needs the transformers extra")
    printed = run("transformers_digits.py", "--epochs", 3, "--out", tmp_path)
    assert "'momentum'" in printed
    assert "test accuracy" in printed


def test_optax():
    pytest.importorskip("optax", reason="needs the optax extra")
    assert len(run("optax_digits.py", "--steps", 20).splitlines()) == 11


# --- ResNet-18 on a made-up CIFAR-10 -------------------------------------------------------------


@pytest.fixture(scope="module")
def cifar(tmp_path_factory):
    """Coloured noise in the layout of the hub's CIFAR-10."""
    pytest.importorskip("torch", reason="needs the torch extra")
    return image_folder(tmp_path_factory.mktemp("cifar10"), "img", (32, 32, 3), 96, 40)


def tiny(cifar, out, *options):
    sizes = ("--width", 4, "--batch-size", 16, "--epochs", 3)
    return ("--data", cifar, "--out", out, *sizes, *options)


def history(out):
    return json.loads((out / "history.json").read_text())


@pytest.mark.parametrize("schedule", ["constant", "cosine", "warmup-cosine", "one-cycle"])
def test_resnet_schedules(cifar, tmp_path, run_here, schedule):
    run_here("resnet18_cifar10.py", *tiny(cifar, tmp_path, "--schedule", schedule, "--C", 0.464))
    found = history(tmp_path)
    assert [entry["step"] for entry in found] == [6, 12, 18]
    assert all(0 <= entry["momentum"] < 1 for entry in found)
    assert list(tmp_path.glob("events*"))


def test_resnet_with_every_option_of_a_gpu(cifar, tmp_path, run_here):
    """Mixed precision, channels last, on the CPU; compilation has its tests with the optimizer."""
    options = ("--precision", "bfloat16", "--channels-last", "--momentum", 0.9)
    run_here("resnet18_cifar10.py", *tiny(cifar, tmp_path, *options))
    assert [entry["momentum"] for entry in history(tmp_path)] == [0.9] * 3


def test_a_resnet_with_other_options_does_not_go_on_in_the_same_folder(cifar, tmp_path, run_here):
    short = ("--epochs", 1)
    run_here("resnet18_cifar10.py", *tiny(cifar, tmp_path, "--C", 0.464, *short))
    before = history(tmp_path)
    with pytest.raises(SystemExit, match=r"another lr, C \(0\.1, 0\.464\): give another --out"):
        run_here("resnet18_cifar10.py", *tiny(cifar, tmp_path, "--lr", 0.2, *short))
    assert history(tmp_path) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--batch-size", 0), r"--batch-size must be in \[1, 96\], got 0"),
        (("--batch-size", 97), r"--batch-size must be in \[1, 96\], got 97"),
        (("--data", "nowhere/at/all"), r"--data: .*nowhere"),
    ],
)
def test_a_resnet_says_which_option_is_wrong(cifar, tmp_path, run_here, options, message):
    with pytest.raises(SystemExit, match=message):
        run_here("resnet18_cifar10.py", *tiny(cifar, tmp_path, *options))


@pytest.mark.slow
def test_a_killed_resnet_goes_on_where_it_was(cifar, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run("resnet18_cifar10.py", *tiny(cifar, whole, "--C", 0.464))
    process = subprocess.Popen(
        command("resnet18_cifar10.py", *tiny(cifar, broken, "--C", 0.464)),
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not (broken / "checkpoint.pt").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (broken / "checkpoint.pt").exists()
    run("resnet18_cifar10.py", *tiny(cifar, broken, "--C", 0.464))
    assert history(broken) == history(whole)
