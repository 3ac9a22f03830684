"""The study of transfer: its estimators, verdicts, ways and promises against known answers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("jax", reason="needs the lab extra")


from flatfast.rescaling import rescale, rules
from studies.study import RESULTS
from studies.transfer import promises
from studies.transfer.curves import NEVER, SHARES, TARGET_SHARE, level, monotone, samples_to
from studies.transfer.optimizers import OPTIMIZERS, Hyper
from studies.transfer.verdict import DOES_NOT, TRANSFERS, UNDECIDED, holm, ratio, verdicts
from studies.transfer.ways import (
    BATCH_WAYS,
    CHANGES,
    LR_WAYS,
    NOTHING,
    Change,
    carried,
    setting_of,
)

# --- Curves --------------------------------------------------------------------------------------


def power_law(scale, exponent=0.5):
    """Losses that fall as a power of the samples: straight in logarithms, as is interpolated."""
    return scale * SHARES**-exponent


def test_samples_to_a_target_on_a_power_law():
    target = np.log(2 * 0.6**-0.5)
    assert samples_to(target, power_law(2.0)) == pytest.approx(0.6, rel=3e-3)
    # With a power of 1/2, 1.1 times the loss is 1.21 times the samples, and 4/3 too many.
    assert samples_to(target, power_law(2.2)) == pytest.approx(0.6 * 1.21, rel=3e-3)
    assert samples_to(target, power_law(8 / 3)) == np.inf


def test_level_and_samples_to_it_are_each_others_inverse():
    losses = power_law(3.0) * np.exp(np.random.default_rng(0).normal(0, 0.02, (20, len(SHARES))))
    for own in losses:
        assert samples_to(float(level(own)), own) <= TARGET_SHARE + 1e-9
        assert float(level(own, 0.9)) <= float(level(own))
    assert level(power_law(3.0)) == pytest.approx(np.log(3 * TARGET_SHARE**-0.5), abs=2e-3)


def test_a_single_low_reading_does_not_count_as_the_target():
    losses = np.full(len(SHARES), 2.0)
    losses[10] = 1.0
    assert samples_to(np.log(1.01), losses) == np.inf


def test_a_run_that_never_arrives_is_infinite_and_one_that_is_there_counts_with_the_first():
    assert samples_to(np.log(0.5), power_law(1.0)) == np.inf
    assert samples_to(np.log(100.0), power_law(1.0)) == SHARES[0]


def test_a_run_that_diverges_keeps_what_it_had_and_never_has_a_level_from_infinity():
    losses = power_law(1.0)
    losses[20:] = np.inf
    assert samples_to(np.log(losses[5]), losses) == pytest.approx(SHARES[5], rel=3e-3)
    assert samples_to(np.log(0.9 * losses[19]), losses) == np.inf
    assert level(np.full(len(SHARES), np.inf)) == NEVER
    assert np.isfinite(monotone(losses)).all()


# --- The declared test ---------------------------------------------------------------------------


def test_holm_against_the_textbook():
    assert holm([0.01, 0.04, 0.03, 0.005], 0.05) == [True, False, False, True]
    assert holm([0.04, 0.04], 0.05) == [False, False]
    assert holm([0.02, 0.04], 0.05) == [True, True]
    assert holm([], 0.05) == []


def pairs(true, sd, seeds, rng):
    oracle = 0.66 * np.exp(rng.normal(0, 0.05, seeds))
    return oracle * true * np.exp(rng.normal(0, sd, seeds)), oracle


def test_verdicts_of_known_ratios():
    rng = np.random.default_rng(1)
    found = verdicts([ratio(*pairs(true, 0.01, 16, rng)) for true in (0.97, 1.02, 1.2)])
    assert found == [TRANSFERS, UNDECIDED, DOES_NOT]


def test_at_the_border_either_verdict_is_wrong_no_more_often_than_declared():
    rng = np.random.default_rng(2)
    found = [verdicts([ratio(*pairs(1.02, 0.05, 8, rng))])[0] for _ in range(1000)]
    assert found.count(TRANSFERS) == pytest.approx(50, abs=25)
    assert found.count(DOES_NOT) == pytest.approx(50, abs=25)


def test_among_many_comparisons_a_wrong_verdict_is_as_rare():
    rng = np.random.default_rng(3)
    wrong = 0
    for _ in range(200):
        found = verdicts([ratio(*pairs(1.03, 0.05, 8, rng)) for _ in range(20)])
        wrong += TRANSFERS in found
    assert wrong <= 0.05 * 200 + 8


def test_the_interval_covers_the_truth():
    rng = np.random.default_rng(4)
    found = [ratio(*pairs(1.1, 0.1, 6, rng)) for _ in range(1000)]
    assert np.mean([r.low <= 1.1 <= r.high for r in found]) == pytest.approx(0.95, abs=0.025)


def test_failures_are_counted_and_forbid_a_transfer():
    oracle = np.full(8, 0.66)
    own = oracle.copy()
    own[3] = np.inf
    found = ratio(own, oracle)
    assert (found.failures, found.oracle_failures) == (1, 0)
    assert found.estimate == pytest.approx((1 / 0.66) ** (1 / 8))
    assert verdicts([found]) == [UNDECIDED]
    every = ratio(np.full(8, np.inf), oracle * np.exp(np.linspace(-0.01, 0.01, 8)))
    assert verdicts([every]) == [DOES_NOT]
    assert ratio(oracle, np.full(8, np.inf)).oracle_failures == 8


def test_the_oracles_own_setting_transfers():
    same = ratio(np.full(4, 0.6), np.full(4, 0.6))
    assert (same.estimate, same.low, same.high) == (1, 1, 1)
    assert verdicts([same]) == [TRANSFERS]


@pytest.mark.parametrize("seeds", [(1, 1), (3, 2)])
def test_a_ratio_needs_pairs(seeds):
    with pytest.raises(ValueError, match="pairs of two seeds"):
        ratio(*(np.ones(count) for count in seeds))


# --- Ways ----------------------------------------------------------------------------------------


def test_every_rule_is_compared_where_it_says_something_of_its_own():
    """Of all rules: those left out change nothing here, or what another one of them changes."""
    tuned = {o: Hyper(0.1, 0.9, 0.99, 1e-8, 0.01 * (o == "AdamW")) for o in OPTIMIZERS}
    for optimizer in OPTIMIZERS:
        family = "sgd" if optimizer == "SGD" else "adaptive"
        for change in CHANGES:
            table = BATCH_WAYS if change.what == "batch" else LR_WAYS
            there = [carried(optimizer, tuned[optimizer], change, w)[0] for w in table[optimizer]]
            named = {way.rule for way in table[optimizer]}
            for rule in rules():
                if rule.family != family or rule.name in named:
                    continue
                asked = (
                    {"batch": (1, change.factor)}
                    if change.what == "batch"
                    else {"lr": 0.1 * change.factor}
                )
                if change.what == "lr" and not rule.takes_lr:
                    continue
                found = rescale(setting_of(optimizer, tuned[optimizer]), **asked, rule=rule.name)
                same = [h for h in there if np.allclose((found.lr, found.first), h[:2])]
                assert same, (optimizer, change, rule.name)


def test_ways_are_the_rules_own_answers():
    hyper, doubts = carried("SGD", Hyper(0.1, 0.9), Change("batch", 4.0), BATCH_WAYS["SGD"][0])
    assert (hyper.lr, hyper.first) == pytest.approx((0.1 * 4 * (1 - 0.9**4) / 0.1, 0.9**4))
    assert not doubts
    four = Change("batch", 4.0)
    by_name = {w.name: carried("SGD", Hyper(0.1, 0.9), four, w)[0] for w in BATCH_WAYS["SGD"]}
    assert by_name["linear"][:2] == pytest.approx((0.4, 0.9))
    assert by_name["law"][:2] == pytest.approx((0.1, 1 - 0.1 * 4 ** (-1 / 3)))
    assert by_name["law at linear's lr"][:2] == pytest.approx((0.4, 1 - 0.1 * 4 ** (1 / 3)))
    assert by_name["square root"][:2] == pytest.approx((0.2, 0.9))
    assert by_name[NOTHING] == Hyper(0.1, 0.9)
    adam = Hyper(1e-3, 0.9, 0.999, 1e-8, 0.01)
    by_name = {w.name: carried("AdamW", adam, four, w)[0] for w in BATCH_WAYS["AdamW"]}
    assert by_name["adam-sde"] == pytest.approx((2e-3, 0.9**4, 0.999**4, 5e-9, 0.02))
    assert by_name["half-life"][:3] == pytest.approx((1e-3, 0.9, 0.999**4))


def test_muons_matrices_get_what_its_vectors_get():
    for way in BATCH_WAYS["Muon"]:
        if way.rule:
            own, _ = carried("Muon", Hyper(0.02, 0.95, 0.99), Change("batch", 4.0), way)
            setting = {"lr": 0.02, "momentum": 0.95, "convention": "scale-free"}
            found = rescale(setting, batch=(1, 4), rule=way.rule)
            assert (own.lr, own.first) == pytest.approx((found.lr, found.first))


def test_a_way_outside_of_its_domain_says_so():
    _, doubts = carried("SGD", Hyper(0.1, 0.9), Change("batch", 16.0), BATCH_WAYS["SGD"][0])
    assert doubts


# --- Promises ------------------------------------------------------------------------------------


def test_moments_are_those_of_a_simulation():
    case = replace(promises.QUADRATICS[1], samples=60)
    _, means, variances = promises.moments(case.setting, 2.0, case)
    rng = np.random.default_rng(0)
    w, p = np.ones(20_000), np.zeros(20_000)
    lr, m = case.setting.lr, case.setting.momentum
    for _ in range(30):
        p = m * p + w + rng.standard_normal(20_000) / 2**0.5
        w = w - lr * p
    assert len(means) == 31
    assert means[-1] == pytest.approx(w.mean(), abs=5 * w.std() / 20_000**0.5)
    assert variances[-1] == pytest.approx(w.var(), rel=0.05)


def test_the_promises_of_the_design_note():
    """Deviations of the mean from lr 1e-4, momentum 0.99, four times the batch."""
    found = {(e["case"], e["factor"], e["rule"]): e["mean"] for e in promises.of_sgd()}
    assert found["long memory", 4.0, "path"] == pytest.approx(0.008, abs=5e-4)
    assert found["long memory", 4.0, "linear"] == pytest.approx(0.46, abs=5e-3)
    assert found["short memory", 4.0, "linear"] < 0.01
    assert found["long memory", 0.25, "path"] < 0.01


def test_critical_keeps_damping_and_effective_step_keeps_the_slow_rate():
    for entry in promises.at_other_lr():
        if entry["rule"] == "critical":
            assert entry["damping"] == pytest.approx(1, abs=0.01)
        if entry["rule"] == "effective-step":
            assert entry["rate"] == pytest.approx(1, abs=0.05)
        if entry["rule"] == "nothing":
            assert entry["rate"] == pytest.approx(entry["factor"], rel=0.05)


def test_adams_promise_against_doing_nothing():
    found = {(e["factor"], e["rule"]): e["spread"] for e in promises.of_adam(400, 1000)}
    for factor in (0.25, 4.0):
        assert found[factor, "adam-sde"] < 0.5 * found[factor, "nothing"]
        assert found[factor, "adam-sde"] < 0.5 * found[factor, "linear"]


def test_committed_files_hold_no_paths():
    for path in Path(RESULTS / "transfer").glob("*.json*"):
        assert "/tmp" not in path.read_text()
