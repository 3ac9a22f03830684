"""``flatfast momentum``."""

import pytest

from flatfast import MomentumLaw, transfer


def test_a_pair_carries_over(flatfast):
    answer = flatfast("momentum", "--lr", 0.4, "--like", "0.1:0.9")
    assert answer.code == 0
    found = transfer(0.1, 0.9, 0.4)
    assert f"momentum {found:.4g} at lr 0.4" in answer.out
    assert f"memory {1 / (1 - found):.3g} steps" in answer.out
    assert f"effective step {0.4 / (1 - found):.3g}" in answer.out
    # The table has the pair it came from: two rows below the one asked for.
    assert "0.1 │ 0.9 │ 10 │ 1 │" in answer.out


def test_a_constant(flatfast):
    answer = flatfast("momentum", "--lr", 0.01, "--C", 0.24)
    assert f"momentum {MomentumLaw(0.24)(0.01):.4g} at lr 0.01" in answer.out


def test_the_first_correction(flatfast):
    answer = flatfast("momentum", "--lr", 0.18, "--C", 0.168, "--correction", 1.24)
    assert f"momentum {MomentumLaw(0.168, correction=1.24)(0.18):.4g} at lr 0.18" in answer.out
    assert "0.168 * lr^(2/3) * exp(1.24 lr^(1/3))" in answer.out
    answer = flatfast("momentum", "--lr", 0.4, "--like", "0.1:0.9", "--correction", 1.24)
    law = MomentumLaw.from_reference(0.1, 0.9, correction=1.24)
    assert f"momentum {law(0.4):.4g} at lr 0.4" in answer.out
    # A negative one never lets this law come down to plain SGD, and that is no error.
    assert flatfast("momentum", "--lr", 0.1, "--C", 0.2, "--correction", -1).code == 0


@pytest.mark.parametrize(
    ("curvature", "regime"), [(1e-5, "overdamped"), (10.0, "underdamped"), (1e6, "unstable")]
)
def test_the_regime_of_a_mode(flatfast, curvature, regime):
    answer = flatfast("momentum", "--lr", 0.01, "--C", 0.24, "--curvature", curvature)
    assert f"a mode of curvature {curvature:g} is {regime}" in answer.out


@pytest.mark.parametrize(
    ("lr", "words", "held"),
    [
        (10, ("--C", 0.46), "from 3.58e-05 to 3.21; here momentum is 0, which is plain SGD"),
        (
            1e-5,
            ("--like", "0.1:0.9"),
            "from 3.54e-05 to 3.16; here momentum is its ceiling, 0.9995",
        ),
        (1e-7, ("--like", "1e-8:0.9999"), None),  # a reference above the ceiling raises it
        (0.1, ("--C", 0.46), None),
    ],
)
def test_out_of_the_law_s_range(flatfast, lr, words, held):
    answer = flatfast("momentum", "--lr", lr, *words)
    assert answer.code == 0
    assert ("out of the law's range: with" in answer.out) == (held is not None)
    assert held is None or held in answer.out


def test_rows_out_of_range_are_marked(flatfast):
    answer = flatfast("momentum", "--lr", 1, "--C", 0.46)  # momentum 0.54; at 4, -0.16
    assert "│ 1 │ 0.54 │" in answer.out
    assert "│ 4 │ 0* │" in answer.out
    assert "*: out of the law's range" in answer.out
    assert "*" not in flatfast("momentum", "--lr", 0.01, "--C", 0.46).out.partition("memory")[2]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give the learning rate you want to use, e.g. --lr 0.4"),
        (["--lr", 0.1], "give either --like LR:MOMENTUM (a pair that served, e.g. --like 0.1:0.9)"),
        (["--lr", 0.1, "--C", 0.2, "--like", "0.1:0.9"], "or --C, the law's prefactor, not both"),
        ([0.4, "--like", "0.1:0.9"], "0.4 belongs to no option; did you mean --lr 0.4?"),
        (["--lr", 0.4, "0.1:0.9"], "0.1:0.9 belongs to no option; did you mean --like 0.1:0.9?"),
        (["--lr", 0.4, "quickly"], "quickly belongs to no option"),
        (["--lr", 0.1, "--like", "0.9"], "--like takes LR:MOMENTUM, for instance 0.1:0.9, got"),
        (["--lr", 0.1, "--like", "0.1:1"], "[0, 1)"),
        (["--lr", 0.1, "--like", "-0.1:0.9"], "got -0.1"),
        (
            ["--lr", 0.1, "--C", 0.2, "--gamma", 0.5, "--correction", 1],
            "correction belongs to the exponent 2/3",
        ),
        (["--lr", 0.1, "--C", 0], "C must be positive and finite, got 0.0"),
        (["--lr", -1, "--C", 0.2], "lr must be positive and finite, got -1"),
        (["--lr", "nan", "--C", 0.2], "lr must be positive and finite, got nan"),
        (["--lr", 0.1, "--C", 0.2, "--gamma", "inf"], "gamma must be"),
        (["--lr", 0.1, "--C", 0.2, "--curvature", -1], "curvature must be"),
        (["--lr", "fast", "--C", 0.2], "Invalid value for '--lr'"),
    ],
)
def test_wrong_words(flatfast, words, message):
    assert message in flatfast("momentum", *words).told(2)


def test_nothing_was_given_twice_where_nothing_was_given(flatfast):
    assert "not both" not in flatfast("momentum", "--lr", 0.4).told(2)
