"""Calibration where kappa is known, and its refusals."""

import math
import re

import numpy as np
import pytest

from flatfast.calibration import Calibration, CalibrationError, Verdict, calibrate
from flatfast.calibration.plan import LEAST, plan, with_rows
from flatfast.calibration.result import DAMPING
from tests.calibration.plain import Bowl, X


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("noise_std", [0.02, 2.0])
def test_kappa_of_a_bowl(scale, noise_std):
    bowl = Bowl(X, scale=scale, noise_std=noise_std)
    found = calibrate(bowl, 0.01, budget=600)
    assert found.ok
    assert found.kappa == pytest.approx(bowl.kappa, rel=0.1)
    assert found.critical == pytest.approx((4 * found.kappa) ** (1 / 3))
    assert pytest.approx(DAMPING * found.critical) == found.C
    assert found.share_low == pytest.approx(1, abs=0.02)
    assert found.sharpness == pytest.approx(scale**2 * np.sum(X**2) / len(X))


def test_the_error_is_that_of_repeats():
    found = [calibrate(Bowl(X[:4], seed=seed), 0.01, budget=120) for seed in range(60)]
    spread = np.std(np.log([c.C for c in found]), ddof=1)
    assert np.mean([c.C.relative for c in found]) == pytest.approx(spread, rel=0.3)


def test_the_cost_is_what_was_planned_at_most():
    seen = []
    bowl = Bowl(X)
    found = calibrate(
        bowl, 0.01, budget=200, progress=lambda done, total: seen.append((done, total))
    )
    assert found.evaluations <= 200
    assert seen[0][0] == 0
    assert seen[-1][0] == found.evaluations
    assert all(done <= total for done, total in seen)


@pytest.mark.parametrize("budget", [LEAST, 60, 120, 400, 3000])
def test_plans_keep_to_their_budget(budget):
    planned = plan(budget)
    cost = 2 * planned.pairs + 6 * planned.probes + 2 * planned.products
    assert 0.8 * budget <= cost <= 1.1 * budget


@pytest.mark.parametrize("budget", [LEAST, 60, 240, 3000])
def test_rows_take_the_place_of_probes_where_they_cost_no_more(budget):
    planned = plan(budget)
    assert planned.cost == 2 * planned.pairs + 4 + 6 * planned.probes + 2 * planned.products
    assert with_rows(planned, 0) == with_rows(planned, 10_000) == planned
    few = with_rows(planned, 1)
    assert (few.rows, few.probes, few.products) == (1, 0, 2)
    assert few.pairs > planned.pairs
    most = max(n for n in range(2000) if with_rows(planned, n).rows)
    assert most >= {LEAST: 4, 60: 8, 240: 32, 3000: 400}[budget]
    for outputs in range(1, most + 1):
        assert planned.cost - 1 <= with_rows(planned, outputs).cost <= planned.cost


def test_the_way_to_the_manifold_is_told():
    y = 0.1
    found = calibrate(Bowl(X, y, noise_std=1e-3), 1e-6, budget=600)
    # A Gauss-Newton step takes x y (y, x) / (x^2 + y^2) off each pair of weights.
    expected = -np.sum(4 * X**2 * y**2 / (X**2 + y**2)) / np.sum(X**2 + y**2)
    assert found.off == pytest.approx(expected, rel=0.05)
    assert found.ok


def test_off_the_manifold():
    found = calibrate(Bowl(X, X), 0.01)  # half of the sharpness would go
    assert not found.ok
    assert [doubt.verdict for doubt in found.doubts] == [Verdict.OFF_MANIFOLD]
    assert found.off < -0.3
    with pytest.raises(CalibrationError, match=r"not near the manifold.*sharpness would change"):
        found.law  # noqa: B018


def test_noise_alone_is_not_taken_for_a_way_to_go():
    # Near the manifold, with so few and so noisy gradients that their mean points anywhere.
    found = [calibrate(Bowl(X[:6], 0.1, noise_std=20.0, seed=s), 1e-6) for s in range(40)]
    off = np.array([c.off for c in found])
    assert (np.abs(off) > 0.3).mean() > 0.3
    told = np.array([Verdict.OFF_MANIFOLD in [d.verdict for d in c.doubts] for c in found])
    assert told.mean() < 0.1
    # The error is that of repeats.
    assert np.mean([c.off.error for c in found]) == pytest.approx(off.std(), rel=0.3)


def test_a_model_that_has_not_learnt():
    bowl = Bowl(X, 0.1)
    bowl.unfit = 4 * bowl.misfit()[0]
    found = calibrate(bowl, 0.01)
    assert found.misfit == pytest.approx(0.25)
    assert [doubt.verdict for doubt in found.doubts] == [Verdict.OFF_MANIFOLD]
    assert "25% of what outputs dealt to the wrong examples" in found.doubts[0].message


def test_no_noise():
    found = calibrate(Bowl(X, 0.01, noise_std=0.0), 0.01)
    assert [doubt.verdict for doubt in found.doubts] == [Verdict.NO_LASTING_NOISE]
    assert math.isnan(found.C)
    assert "the gradient carries no noise" in found.doubts[0].message


def test_noise_of_batches_alone_does_not_last():
    found = calibrate(Bowl(X, noise_std=0.0, batch_noise=0.1), 0.01)
    assert not found.ok
    assert found.noise_total == pytest.approx(0.01 * 80, rel=0.3)
    assert "two looks at one batch give one gradient" in found.doubts[0].message


class Shared(Bowl):
    """Labels' noise that comes with the batch: both looks at it are alike."""

    def gradients(self):
        one, _ = super().gradients()
        return one, one

    def misfit(self):
        return 1.0, 1.0  # as far from its targets as its noise is large


def test_noise_of_batches_that_lasts_drives_the_same_drift():
    assert not calibrate(Shared(X), 0.01).ok
    bowl = Shared(X)
    found = calibrate(bowl, 0.01, budget=2000, noise="all")
    assert found.ok, str(found)
    assert found.kappa == pytest.approx(bowl.kappa, rel=0.1)
    assert found.noise.relative < 0.1
    assert found.lasts == "all"
    assert "Assumed: the noise of the batches lasts" in str(found).replace("\n  ", " ")
    assert Calibration.from_json(found.to_json()).lasts == "all"


def test_all_noise_of_a_gradient_without_any_is_none():
    found = calibrate(Bowl(X, noise_std=0.0), 0.01, noise="all")
    assert Verdict.NO_LASTING_NOISE in [doubt.verdict for doubt in found.doubts]


def test_little_lasting_noise():
    found = calibrate(Bowl(X, noise_std=1e-3, batch_noise=1.0), 0.01)
    assert found.doubts[0].verdict is Verdict.NO_LASTING_NOISE
    assert "of the gradient's noise is drawn afresh" in found.doubts[0].message


def test_no_curvature():
    class Flat(Bowl):
        def probe(self):
            return 0.0, np.zeros(80)

        def product(self, v):
            return 0.0 * v

    for noise_std in (0.0, 0.5):
        found = calibrate(Flat(X, noise_std=noise_std), 0.01)
        noisy = [] if noise_std else [Verdict.NO_LASTING_NOISE]
        assert [doubt.verdict for doubt in found.doubts] == [Verdict.NO_CURVATURE, *noisy]
        assert "absolute error" in found.refusal


def test_no_slope():
    class Linear(Bowl):
        def probe(self):
            return 3.0, np.zeros(80)

    found = calibrate(Linear(X), 0.01)
    assert [doubt.verdict for doubt in found.doubts] == [Verdict.NO_SLOPE]
    assert "linear" in str(found)


class Rough(Bowl):
    """Its slopes are mostly noise."""

    rough = 100.0

    def probe(self):
        value, slope = super().probe()
        return value, slope + self.rough * self.rng.standard_normal(80)


def unresolved(seeds=range(40)):
    found = (calibrate(Rough(X, seed=seed), 0.01, budget=600) for seed in seeds)
    return next(c for c in found if not c.ok)


def test_a_slope_below_its_error():
    found = [calibrate(Rough(X, seed=seed), 0.01, budget=600) for seed in range(40)]
    told = [Verdict.UNRESOLVED in [doubt.verdict for doubt in c.doubts] for c in found]
    # Two standard errors on one side are exceeded in 2.5% of the draws by chance.
    assert sum(told) >= 36
    assert "Give a budget of about" in found[told.index(True)].doubts[0].remedy


def test_too_few_gradients_are_no_finding():
    found = unresolved()
    assert found.unresolved
    text = " ".join(str(found).split())
    first, rest = text.split(": ", 1)
    assert first.startswith(f"Nothing is known yet, {found.evaluations} gradient evaluations are")
    assert re.match(r"give a budget of about [\d,]+ gradient evaluations\. ", rest)
    with pytest.raises(CalibrationError, match=r"^nothing is known yet.*Give a budget") as error:
        found.law  # noqa: B018
    for said in (text, repr(found), str(error.value), found.refusal):
        assert "does not apply" not in said
        assert "0.9," not in said
        assert Verdict.UNRESOLVED in said
    assert repr(found).startswith("Calibration(nothing known yet at lr 0.01")
    assert Calibration.from_json(found.to_json()).unresolved


def test_a_place_without_a_law_is_one_however_few_the_gradients():
    """There a budget would be no advice, and is not given."""
    found = calibrate(Rough(X, noise_std=0.0), 0.01)
    assert not found.ok
    assert not found.unresolved
    assert "budget" not in str(found)
    assert not calibrate(Bowl(X), 0.01).unresolved


def test_the_budget_that_is_advised_serves():
    class Rougher(Rough):
        rough = 0.25

    refused = [(s, c) for s in range(20) if (c := calibrate(Rougher(X, seed=s), 0.01)).unresolved]
    assert len(refused) >= 5
    served = 0
    for seed, found in refused:
        [budget] = re.findall(r"about ([\d,]+) gradient", found.doubts[0].remedy)
        advised = int(budget.replace(",", ""))
        served += calibrate(Rougher(X, seed=seed + 1000), 0.01, budget=advised).ok
    # The advice rests on an error that is itself known from a few probes only.
    assert served >= 0.8 * len(refused)


def test_a_wide_error():
    class Uneven(Bowl):
        looks = 0

        def gradients(self):
            self.looks += 1
            self.noise_std = 30.0 if self.looks == 1 else 0.1
            return super().gradients()

    found = calibrate(Uneven(X), 0.01)
    assert found.C.relative > 0.25
    assert [doubt.verdict for doubt in found.doubts] == [Verdict.UNCERTAIN]
    assert "give a budget of about" in found.doubts[0].remedy
    assert found.ok


def test_a_learning_rate_beyond_stability():
    found = calibrate(Bowl(X, scale=3.0), 50.0)
    verdicts = [doubt.verdict for doubt in found.doubts]
    assert Verdict.UNSTABLE in verdicts
    assert 0.9 * 0.9 <= found.largest <= 0.9 * (1 + 1e-9)  # 9 * 4 / 40, from below


def test_a_learning_rate_at_which_the_law_asks_for_no_momentum():
    found = calibrate(Bowl(X, scale=0.1, noise_std=300.0), 3.0)
    assert found.law(3.0) == 0
    assert Verdict.NO_MOMENTUM in [doubt.verdict for doubt in found.doubts]


def test_the_reach_of_a_bowl_is_its_radius():
    assert calibrate(Bowl(X), 0.01).reach == pytest.approx(1)


def test_all_refusals_are_told_at_once():
    class Linear(Bowl):
        def probe(self):
            return 3.0, np.zeros(80)

    bowl = Linear(X, X, noise_std=0.0)
    bowl.unfit = 2 * bowl.misfit()[0]
    found = calibrate(bowl, 0.01)
    refusals = [Verdict.OFF_MANIFOLD, Verdict.NO_LASTING_NOISE, Verdict.NO_SLOPE]
    assert [doubt.verdict for doubt in found.doubts] == refusals
    assert all(verdict in found.refusal for verdict in refusals)
    with pytest.raises(CalibrationError) as error:
        found.law  # noqa: B018
    assert str(error.value).startswith("use momentum 0.9, or what has served you: the 2/3 law")
    assert all(verdict in str(error.value) for verdict in refusals)


def test_a_place_is_off_by_its_outputs_and_by_its_gradient():
    bowl = Bowl(X, X)
    bowl.unfit = 2 * bowl.misfit()[0]
    [doubt] = calibrate(bowl, 0.01).doubts
    assert "50% of what outputs dealt" in doubt.message
    assert "the sharpness would change" in doubt.message


def test_weight_decay_is_weighed_against_the_noise():
    bare = calibrate(Bowl(X), 0.01)
    assert math.isnan(bare.weight_decay)
    # The drift relaxes at kappa (lr / mu)^2 a step, decay at weight_decay lr / mu.
    mu = 1 - bare.law(0.01)
    assert bare.decay_share(0.02) == pytest.approx(0.02 * mu / (0.01 * bare.kappa))
    equal = 0.01 * bare.kappa / mu
    small = calibrate(Bowl(X), 0.01, weight_decay=0.1 * equal)
    large = calibrate(Bowl(X), 0.01, weight_decay=equal)
    assert small.C == large.C == bare.C
    assert not small.doubts
    assert [doubt.verdict for doubt in large.doubts] == [Verdict.WEIGHT_DECAY]
    assert large.ok
    assert "Assumed: no weight decay; weight_decay= weighs yours" in " ".join(str(bare).split())
    assert "0.1 times as fast as the noise does: it changes little" in " ".join(str(small).split())
    assert "1 times as fast as the noise does (small below" in " ".join(str(large).split())
    assert "Assumed: no weight decay." in str(calibrate(Bowl(X), 0.01, weight_decay=0.0))


def test_small_batches_are_told():
    bowl = Bowl(X)
    bowl.examples, bowl.batch_size = 4000, 2
    found = calibrate(bowl, 0.1)
    assert [doubt.verdict for doubt in found.doubts] == [Verdict.BATCH_NOISE]
    assert found.ok


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lr": 0.0}, "lr must be positive"),
        ({"lr": math.inf}, "lr must be positive"),
        ({"lr": 0.1, "weight_decay": -0.1}, "weight_decay must be at least 0"),
        ({"lr": 0.1, "budget": 10}, f"budget must be at least {LEAST}"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        calibrate(Bowl(X), **arguments)


def test_gradients_that_are_not_finite():
    with pytest.raises(ValueError, match="gradients must be finite"):
        calibrate(Bowl(np.full(3, np.nan)), 0.1)


def test_a_slope_that_is_not_finite():
    class Kinked(Bowl):
        def probe(self):
            value, slope = super().probe()
            return value, slope * math.nan

    with pytest.raises(ValueError, match="slope of the sharpness must be finite"):
        calibrate(Kinked(X), 0.1)
