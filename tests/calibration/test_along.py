"""The part along the manifold at the cutoff that it sets; and models where there is none."""

import numpy as np
import pytest

from flatfast.calibration import Verdict, calibrate
from flatfast.calibration.along import drift_cutoff, kappa_of, solved
from flatfast.calibration.draws import Groups
from flatfast.calibration.plan import plan
from flatfast.calibration.settled import amplified, rungs_below, settled
from tests.calibration.squares import Rows, Squares

LR = 0.01


class Given:
    """Noise of which the trace is known."""

    def __init__(self, lasting, weights):
        self.lasting, self.apart = lasting, np.zeros(weights)


def known(model):
    """The exact part along and its cutoff, by dense eigenvectors and falling iterates of both."""
    values, vectors = np.linalg.eigh(model.curvature)
    part = (vectors.T @ model.slope) ** 2
    trace, noise = (
        float(np.trace(model.curvature)),
        model.noise_std**2 * np.trace(model.curvature) / model.examples,
    )
    along = float(part.sum())
    for _ in range(2000):
        cutoff = drift_cutoff(kappa_of(noise, trace, along), LR)
        along = float(part @ (cutoff / (np.maximum(values, 0) + cutoff)) ** 2)
    return along, cutoff


def measured(model, products=200):
    """The same by products, with a slope that is known exactly."""
    fresh = Groups(2)
    for _ in range(2):
        fresh.add(model.slope)
    trace = float(np.trace(model.curvature))
    noise = Given(model.noise_std**2 * trace / model.examples, len(model.w))
    found = solved(model, noise, noise.lasting, trace, model.slope, fresh, LR, products)
    return found.at(LR)


@pytest.mark.parametrize("outputs", [2, 4, 12])
@pytest.mark.parametrize("noise_std", [0.03, 0.3, 3.0])
def test_the_part_along_is_that_of_dense_eigenvectors(outputs, noise_std):
    model = Squares(outputs, 3, 30, free=6, noise_std=noise_std, lowest=0.1)
    along, cutoff = known(model)
    found = measured(model)
    assert 0.01 < along / float(model.slope @ model.slope) < 0.99
    assert found.settled
    assert found.squared == pytest.approx(along, rel=0.02)
    assert found.cutoff == pytest.approx(cutoff, rel=0.02)
    assert found.low <= along / float(model.slope @ model.slope) * 1.02
    assert found.high >= along / float(model.slope @ model.slope) * 0.98


@pytest.mark.parametrize(
    ("sizes", "options"),
    [
        ((1, 5, 5), {}),
        ((1, 3, 100), {"noise_std": 0.03}),
        ((8, 5, 40), {}),
        ((40, 6, 160), {"lowest": 0.01}),
    ],
    ids=["sphere", "cylinder", "forms", "forms of many sizes"],
)
def test_what_is_all_across_is_found_to_be(sizes, options):
    model = Squares(*sizes, **options)
    across = np.linalg.lstsq(model.rows.T, model.slope, rcond=None)[0] @ model.rows
    assert across == pytest.approx(model.slope)
    assert known(model)[0] < 1e-12
    found = measured(model)
    assert not found.settled
    assert found.most == 0


@pytest.mark.parametrize("budget", [60, 240])
def test_where_the_targets_fix_the_sharpness_there_is_no_law(budget):
    found = [calibrate(Squares(1, 5, 5, seed=seed), LR, budget=budget) for seed in range(20)]
    # The mean gradient of one output is noise, and now and then points off the manifold.
    verdicts = [c.doubts[0].verdict for c in found]
    assert verdicts.count(Verdict.NO_SLOPE) >= 18
    assert not any(c.ok for c in found)
    told = found[verdicts.index(Verdict.NO_SLOPE)]
    assert np.isnan(told.C)
    assert "lies across the manifold" in str(told).replace("\n  ", " ")


@pytest.mark.parametrize("budget", [60, 240])
@pytest.mark.parametrize("lowest", [1.0, 0.01])
def test_noise_of_probes_is_seldom_taken_for_a_law(budget, lowest):
    """Where outputs share weights the probes scatter along the manifold as well."""
    found = [
        calibrate(Squares(30, 6, 120, lowest=lowest, seed=seed), LR, budget=budget)
        for seed in range(20)
    ]
    assert sum(c.ok for c in found) <= 3
    verdicts = {doubt.verdict for c in found if not c.ok for doubt in c.doubts}
    assert verdicts <= {Verdict.NO_SLOPE, Verdict.UNRESOLVED}


@pytest.mark.parametrize("outputs", [2, 6, 8])
def test_rows_of_few_outputs_are_exact(outputs):
    model = Rows(outputs, 5, 40)
    found = calibrate(model, LR)
    assert found.sharpness == pytest.approx(np.trace(model.curvature))
    assert found.sharpness.error == found.along.error == 0
    assert found.slope == pytest.approx(float(model.slope @ model.slope))
    assert found.evaluations <= plan(60).cost
    seeds = [calibrate(Rows(outputs, 5, 40, seed=seed), LR) for seed in range(20)]
    assert not any(c.ok for c in seeds)
    assert sum(c.doubts[0].verdict is Verdict.NO_SLOPE for c in seeds) >= 18


def test_what_is_advised_is_no_more_than_rows_take():
    """Where probes do not tell, the outputs one by one do, once the budget pays for them."""
    model = Rows(30, 6, 120, seed=1)
    probed, bare = calibrate(model, LR), calibrate(Squares(30, 6, 120, seed=1), LR)
    assert probed.unresolved
    assert bare.unresolved
    [advised], [other] = probed.doubts, bare.doubts
    assert advised.budget < other.budget
    found = calibrate(Rows(30, 6, 120, seed=2), LR, budget=advised.budget)
    assert found.doubts[0].verdict is Verdict.NO_SLOPE
    assert found.evaluations <= plan(advised.budget).cost


def test_rows_leave_the_noise_s_error_alone():
    found = [calibrate(Rows(2, 3, 30, free=4, seed=seed), LR, budget=80) for seed in range(40)]
    along, _ = known(Rows(2, 3, 30, free=4))
    assert np.mean([c.along for c in found]) == pytest.approx(along, rel=0.03)
    assert np.mean([c.C.relative for c in found]) == pytest.approx(
        np.std(np.log([c.C for c in found]), ddof=1), rel=0.3
    )


def test_a_law_beside_them_is_found():
    model = Squares(4, 3, 30, free=6)
    along, _ = known(model)
    trace = float(np.trace(model.curvature))
    kappa = kappa_of(model.noise_std**2 * trace / model.examples, trace, along)
    found = [
        calibrate(Squares(4, 3, 30, free=6, seed=seed), LR, budget=600).kappa for seed in range(10)
    ]
    assert np.mean(found) == pytest.approx(kappa, rel=0.05)


def test_the_largest_cutoff_that_sets_itself():
    rungs = rungs_below(1.0)
    flat = settled(rungs, np.full(len(rungs), 0.3), 1.0)
    assert flat == pytest.approx(0.3 ** (2 / 3), rel=1e-3)
    # A part along, and modes across at 0.1: s(c) = c^1.5 has three roots.
    shares = 0.002 + 0.7 * (rungs / (0.1 + rungs)) ** 2
    found = settled(rungs, shares, 1.0)
    assert 0.002 + 0.7 * (found / (0.1 + found)) ** 2 == pytest.approx(found**1.5, rel=1e-3)
    assert found > 0.4
    assert settled(rungs, (rungs / (100 + rungs)) ** 2, 1.0) is None
    assert settled(rungs, np.full(len(rungs), -0.1), 1.0) is None


def test_an_error_grows_on_its_way_through_the_cutoff():
    rungs = rungs_below(1.0)

    def at(factor):
        shares = factor * (0.05 + 0.5 * (rungs / (0.4 + rungs)) ** 2)
        found = settled(rungs, shares, 1.0)
        return found**1.5, amplified(rungs, shares, found)

    (low, _), (_, told), (high, _) = at(0.99), at(1.0), at(1.01)
    assert told == pytest.approx(np.log(high / low) / np.log(1.01 / 0.99), rel=0.03)
    assert told > 1.5
