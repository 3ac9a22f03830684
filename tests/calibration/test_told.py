"""A calibration told: in words, as a figure, as JSON; and its verdicts."""

import json
import math
import pickle
from pathlib import Path

import pytest

from flatfast.calibration import Calibration, CalibrationError, Doubt, Verdict, calibrate
from tests.calibration.plain import Bowl, X


def test_the_verdict_comes_first():
    found = calibrate(Bowl(X), 0.01)
    assert str(found).startswith(f"Use momentum {found.law(0.01):.4g} at lr 0.01: the 2/3 law")
    assert "Next: couple(optimizer, found)" in str(found)
    refused = calibrate(Bowl(X, noise_std=0.0), 0.01)
    assert str(refused).startswith("Use momentum 0.9, or what has served you: the 2/3 law does not")
    assert "Next: Draw noise afresh" in str(refused)


def test_representations():
    found = calibrate(Bowl(X), 0.01)
    assert repr(found).startswith(f"Calibration(C={found.C:.3g}, 95% ")
    assert repr(found).endswith(f"momentum {found.law(0.01):.4g} at lr 0.01)")
    refused = calibrate(Bowl(X, noise_std=0.0), 0.01)
    assert repr(refused) == "Calibration(no law at lr 0.01: no lasting noise)"


def test_json_there_and_back():
    for bowl in (Bowl(X), Bowl(X, noise_std=0.0), Bowl(X, X)):
        found = calibrate(bowl, 0.01)
        back = Calibration.from_json(found.to_json())
        assert back.to_json() == found.to_json()
        assert str(back) == str(found)
        assert back.doubts == found.doubts
    kept = json.loads(back.to_json())
    for wrong in ({"C": 1}, [1], {**kept, "more": 1}, {**kept, "C": 0.3}, {**kept, "doubts": [1]}):
        with pytest.raises(ValueError, match="not a calibration"):
            Calibration.from_json(json.dumps(wrong))


@pytest.fixture(scope="module")
def kept():
    """A calibration with a doubt, as JSON."""
    found = json.loads(calibrate(Bowl(X, noise_std=0.0), 0.01).to_json())
    assert found["doubts"]
    return found


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"lr": [1]}, r"lr is \[1\], must be a number"),
        ({"lr": True}, "lr is True, must be a number"),
        ({"kappa": 10**400}, r"kappa is 1000.*0, must be a number in the range of a float"),
        ({"evaluations": "many"}, "evaluations is 'many', must be a whole number, at least 0"),
        ({"evaluations": None}, "evaluations is None, must be a whole number"),
        ({"evaluations": 1.5}, r"evaluations is 1\.5, must be a whole number"),
        ({"evaluations": -1}, "evaluations is -1, must be a whole number"),
        ({"C": "x"}, "C is 'x', must be an object with value, error"),
        ({"C": {"value": 1}}, "C lacks 'error'; its fields are value, error"),
        ({"C": {"value": 1, "error": 1, "x": 1}}, "C has a field 'x'"),
        ({"C": {"value": "x", "error": 1}}, r"C\.value is 'x', must be a number"),
        ({"C": {"value": 1, "error": -1}}, r"C\.error is -1, must be a number, at least 0"),
        ({"C": {"value": 10**400, "error": 1}}, r"C\.value is 1000"),
        ({"C": "x", "C_error": 0.1}, "C is 'x', must be a number"),
        ({"C": 1, "C_error": "x"}, "C_error is 'x', must be a number, at least 0"),
        ({"C": 1, "C_error": -0.1}, r"C_error is -0\.1, must be a number, at least 0"),
        ({"C": 10**400, "C_error": 0.1}, "C is 1000"),
        ({"more": 1}, "the whole has a field 'more'; its fields are C, kappa"),
        ({"doubts": {}}, r"doubts is \{\}, must be a list of doubts"),
        ({"doubts": None}, "doubts is None, must be a list of doubts"),
        ({"doubts": ["x"]}, r"doubts\[0\] is 'x', must be an object with verdict, message"),
    ],
)
def test_each_field_of_json_is_checked(kept, change, told):
    with pytest.raises(ValueError, match=f"this is not a calibration's JSON: {told}"):
        Calibration.from_json(json.dumps({**kept, **change}))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"budget": "x"}, r"budget is 'x', must be a whole number"),
        ({"verdict": "x"}, r"verdict is 'x', must be one of 'not near the manifold"),
        ({"verdict": []}, r"verdict is \[\], must be one of"),
        ({"message": 1}, r"message is 1, must be text"),
        ({"remedy": None}, r"remedy is None, must be text"),
    ],
)
def test_each_field_of_a_doubt_is_checked(kept, change, told):
    doubts = [{**kept["doubts"][0], **change}]
    with pytest.raises(ValueError, match=rf"doubts\[0\]\.{told}"):
        Calibration.from_json(json.dumps({**kept, "doubts": doubts}))


@pytest.mark.parametrize("text", ["", "[" * 100_000, "1", "null", "{}", "NaN"])
def test_other_text_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"not a calibration's JSON|Expecting value"):
        Calibration.from_json(text)


EARLIER = json.loads(Path(__file__).with_name("earlier.json").read_text(encoding="utf-8"))
"""Calibrations as versions kept them whose numbers and errors lay apart, and what they told."""


@pytest.mark.parametrize("name", EARLIER)
def test_json_of_earlier_versions_is_read(name):
    kept, told = EARLIER[name]["calibration"], EARLIER[name]["text"]
    found = Calibration.from_json(json.dumps(kept))
    assert str(found) == told
    assert [doubt.remedy for doubt in found.doubts] == [doubt["remedy"] for doubt in kept["doubts"]]
    assert found.misfit.error == kept["misfit_error"]
    assert found.off.error == kept["off_error"]
    for part in ("sharpness", "noise", "along"):
        assert getattr(found, part) == kept[part]
        assert getattr(found, part).relative == pytest.approx(kept[f"{part}_error"])
    if kept["C"] is None:
        assert math.isnan(found.C.error)
    else:
        assert found.C.relative == pytest.approx(kept["C_error"])
    assert Calibration.from_json(found.to_json()).to_json() == found.to_json()


def test_a_verdict_is_its_remedy():
    """One place says what to do; a doubt puts its number in."""
    assert str(Verdict.UNCERTAIN) == Verdict("wide error") == "wide error"
    assert Verdict.UNCERTAIN.remedy == "For an error of 25% give a larger budget."
    remedy = Doubt(Verdict.UNCERTAIN, "seen", budget=1200).remedy
    assert remedy == "For an error of 25% give a budget of about 1,200 gradient evaluations."
    assert Doubt(Verdict.NO_SLOPE, "seen").remedy == ""
    fatal = [verdict for verdict in Verdict if verdict.fatal]
    assert fatal == list(Verdict)[:5]
    for verdict in Verdict:
        assert verdict.remedy == "" or verdict.remedy.endswith(".")
        assert pickle.loads(pickle.dumps(verdict)) is verdict


def test_words_fit_a_terminal():
    for bowl in (Bowl(X), Bowl(X, X), Bowl(X, 0.01, noise_std=0.0)):
        found = calibrate(bowl, 0.01)
        assert all(len(line) <= 80 for line in str(found).splitlines())
        words = " ".join(str(found).split())
        assert all(" ".join(doubt.message.split()) in words for doubt in found.doubts)
        assert all(remedy in words for remedy in found.remedies)
    found = calibrate(Bowl(X), 0.01)
    low, high = found.interval
    assert low < found.C < high
    assert f"C = {found.C:.3g}" in str(found)


def test_a_figure(tmp_path):
    pytest.importorskip("matplotlib", reason="needs Matplotlib")
    path = tmp_path / "calibration.png"
    calibrate(Bowl(X), 0.01).figure(path)
    assert path.stat().st_size > 10_000
    with pytest.raises(CalibrationError):
        calibrate(Bowl(X, noise_std=0.0), 0.01).figure()
