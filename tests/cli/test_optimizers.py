"""``--optimizer`` of ``flatfast sweep`` and ``reproduce``."""

import json

import pytest

from flatfast.lab.store import read_manifest

pytestmark = pytest.mark.usefixtures("unrendered")

SWEEP = (
    *("sweep", "scalar-product", "--lr", "0.05,0.1", "--seeds", 2, "--records", 12),
    *("--duration", 4, "--out", "here"),
)
MOMENTA = ("--momentum", "0.5:0.98:4")


def test_an_optimizer_is_part_of_what_the_runs_are(flatfast, tmp_path):
    made = flatfast(*SWEEP, *MOMENTA, "--optimizer", "adam", "--beta2", 0.99)
    assert made.code == 0, made.err
    settings = read_manifest(tmp_path / "here")["settings"]
    assert settings["optimizer"] == {"name": "adam", "beta2": 0.99, "eps": 1e-8}
    again = flatfast(*SWEEP, *MOMENTA, "--optimizer", "adam", "--beta2", 0.99)
    assert "16 runs are stored already" in again.out
    told = flatfast(*SWEEP, *MOMENTA, "--optimizer", "adam").told(1)
    assert "optimizer.beta2 is 0.99 there, 0.999 here" in told
    assert "optimizer is {" in flatfast(*SWEEP, *MOMENTA).told(1)
    page = (tmp_path / "here" / "index.html").read_text()
    assert "Best beta 1 at each learning rate" in page
    assert "stability limits" in page  # of heavy ball: why nothing is compared
    summary = json.loads((tmp_path / "here" / "summary.json").read_text())
    assert summary["optimizer"]["name"] == "adam"


def test_sgd_by_name_is_what_it_was_without(flatfast, tmp_path):
    assert flatfast(*SWEEP, *MOMENTA).code == 0
    assert "optimizer" not in read_manifest(tmp_path / "here")["settings"]
    assert "16 runs are stored already" in flatfast(*SWEEP, *MOMENTA, "--optimizer", "sgd").out
    assert "optimizer" not in json.loads((tmp_path / "here" / "summary.json").read_text())


def test_the_law_s_constant_is_of_the_optimizer_s_convention(flatfast, tmp_path):
    made = flatfast(*SWEEP, "--C", "0.5,1.5", "--optimizer", "normalized-sgd")
    assert made.code == 0, made.err
    summary = json.loads((tmp_path / "here" / "summary.json").read_text())
    assert summary["etas"] == [0.05, 0.1]
    assert summary["counts"]["runs"] == 8


def test_adam_s_runs_have_no_length_by_default(flatfast):
    told = flatfast(*SWEEP[:8], *MOMENTA, "--optimizer", "adam").told(2)
    assert "give --steps with --optimizer adam" in told


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--optimizer", "lion"), "optimizer must be one of sgd, normalized-sgd, adam, adamw, muo"),
        (("--beta2", 0.9), "beta2 is a setting of adam, adamw and muon, got 0.9 for sgd"),
        (("--optimizer", "adam", "--nesterov"), "nesterov is a setting of sgd and muon, got it"),
        (("--optimizer", "adam", "--compare"), "stability limits of heavy ball, got --optimizer a"),
        (("--optimizer", "muon"), "muon needs parameters that are matrices"),
    ],
)
def test_what_does_not_go_together(flatfast, words, message):
    assert message in flatfast(*SWEEP, *MOMENTA, *words).told(2)


def test_an_adaptive_sweep_needs_a_valley(flatfast):
    told = flatfast(*SWEEP[:4], "--adaptive", "--optimizer", "normalized-sgd").told(2)
    assert "--adaptive looks for the valley that heavy ball has" in told


def test_an_experiment_has_the_learning_rates_of_its_optimizer(flatfast):
    told = flatfast("reproduce", "scalar-product", "--optimizer", "adam").told(2)
    assert "flatfast sweep scalar-product --optimizer adam" in told
