"""Learning rate and momentum together: where the law's momentum is just stable."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from flatfast.calibration import Calibration, Verdict, calibrate
from flatfast.calibration.pair import BATCH, ROOM, Valley, fastest
from flatfast.calibration.tangent import solve
from flatfast.law import MomentumLaw
from tests.calibration.plain import Bowl, X
from tests.calibration.squares import Squares

LAW = MomentumLaw(0.3)
QUIET = Valley(largest=20.0, error=0.0, sharpness=100.0, slope=0.0, noise=1.0)


def test_without_noise_only_the_room_is_left():
    found = fastest(LAW, QUIET)
    assert found.margin == ROOM
    assert found.momentum == LAW(found.lr)
    assert found.limit == pytest.approx(2 * (1 + found.momentum) / 20)
    # Three digits, rounded down.
    assert found.limit / (1 + ROOM) * 0.99 < found.lr < found.limit / (1 + ROOM)
    assert found.bound == "curvature"


@pytest.mark.parametrize("C", [0.02, 0.3, 3.0, 40.0])
def test_steps_are_stable_with_a_curvature_within_the_margin_and_not_far_beyond(C):
    found = fastest(MomentumLaw(C), replace(QUIET, error=0.2))
    for times, stable in ((1 + 0.95 * found.margin, True), (1 + 1.1 * found.margin, False)):
        w, velocity = 1.0, 0.0
        for _ in range(20_000):
            velocity = found.momentum * velocity + times * QUIET.largest * w
            w -= found.lr * velocity
            if not abs(w) < 1e6:
                break
        assert (abs(w) < 1) is stable


def test_noise_and_an_unsure_curvature_widen_the_margin():
    noisy = replace(QUIET, slope=900.0)
    variance = 0.1 * 0.01 / (2 * (1 - 0.9))
    assert noisy.fluctuation(0.1, 0.9) == pytest.approx((variance * 900) ** 0.5 / 100)
    margins = [fastest(LAW, valley).margin for valley in (QUIET, replace(QUIET, error=0.1), noisy)]
    assert margins[0] < margins[1] == pytest.approx(ROOM + 0.1)
    assert margins[0] < margins[2]
    assert fastest(LAW, noisy).lr < fastest(LAW, QUIET).lr


def test_the_noise_of_batches_bounds_the_learning_rate():
    found = fastest(LAW, replace(QUIET, batch=40))
    assert found.bound == "batches"
    assert found.lr == pytest.approx((2 * BATCH * 40 * 0.3 / 100) ** 3, rel=0.01)
    many = fastest(LAW, replace(QUIET, batch=1e6))
    assert many == fastest(LAW, QUIET)


@pytest.mark.parametrize("products", [2, 4, 8])
def test_a_curvature_lies_within_the_error_of_the_largest(products):
    model = Squares(12, 3, 40, free=4)
    values = np.linalg.eigvalsh(model.curvature)
    start = np.random.default_rng(2).standard_normal(len(model.w))
    found = solve(model, start, 1e-3, products).largest
    assert found <= values[-1] * (1 + 1e-9)
    assert np.abs(values - found).min() <= found.error + 1e-9
    if products == 8:
        assert found == pytest.approx(values[-1], rel=found.relative + 1e-6)


def test_a_calibration_names_a_pair_that_agrees_with_itself():
    found = calibrate(Bowl(X, noise_std=2.0), budget=200)
    assert found.ok
    pair = found.pair
    assert pair is not None
    assert pair.lr == found.lr
    assert pair.momentum == found.law(pair.lr)
    steepest = X[-1] ** 2 / len(X)
    assert abs(found.largest - steepest) <= found.largest.error < 0.1 * steepest
    given = calibrate(Bowl(X, noise_std=2.0), pair.lr, budget=200)
    assert given.pair is None
    assert pytest.approx(given.C, rel=0.02) == found.C
    assert given.evaluations == found.evaluations
    assert str(found).startswith(f"Use lr {pair.lr:g} with momentum {pair.momentum:.4g}: ")
    assert f"{pair.margin:.0%} larger" in " ".join(str(found).split())
    calm = replace(found, pair=replace(pair, fluctuation=0.01))
    assert "thrown off" not in str(calm)
    loud = replace(found, pair=replace(pair, fluctuation=0.2))
    assert "may be thrown off" in " ".join(str(loud).split())


def test_batches_hold_the_pair_down():
    class Sampled(Bowl):
        batch_size = property(lambda self: 2, lambda self, _: None)

    found = calibrate(Sampled(X, noise_std=0.1), budget=200)
    assert found.pair is not None
    assert found.pair.bound == "batches"
    assert found.pair.lr < 0.5 * found.pair.limit
    assert Verdict.BATCH_NOISE not in [doubt.verdict for doubt in found.doubts]
    assert "own noise" in str(found)


@pytest.mark.parametrize(
    "bowl", [Bowl(X, noise_std=0.0), Bowl(X, X), Squares(6, 3, 30)], ids=["noise", "off", "slope"]
)
def test_no_law_no_pair(bowl):
    found = calibrate(bowl)
    assert not found.ok
    assert found.pair is None
    assert math.isnan(found.lr)
    assert "No learning rate is named" in str(found)
    assert "nan" not in str(found)
    assert "nan" not in repr(found)
    assert Calibration.from_json(found.to_json()).to_json() == found.to_json()


def test_json_of_a_pair():
    found = calibrate(Bowl(X, noise_std=2.0))
    back = Calibration.from_json(found.to_json())
    assert back.pair == found.pair
    assert str(back) == str(found)
    kept = json.loads(found.to_json())
    with pytest.raises(ValueError, match=r"pair\.lr is 'x', must be a number"):
        Calibration.from_json(json.dumps({**kept, "pair": {**kept["pair"], "lr": "x"}}))
    del kept["pair"]["margin"]
    with pytest.raises(ValueError, match="pair lacks 'margin'"):
        Calibration.from_json(json.dumps(kept))


def test_the_figure_shows_how_far_the_pair_is_stable(tmp_path):
    pytest.importorskip("matplotlib", reason="needs the lab extra")
    figure = calibrate(Bowl(X, noise_std=2.0)).figure(tmp_path / "pair.png")
    told = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert any(text.startswith("stable at momentum") for text in told)
