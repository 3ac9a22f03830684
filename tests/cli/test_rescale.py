"""``flatfast rescale``."""

import pytest

from flatfast.cli.rescale import IN_WORDS
from flatfast.rescaling.measured import measured

PAIR = ("--lr", "0.1", "--momentum", 0.9)


def row(answer, rule):
    """Cells of a rule's line of the table."""
    assert answer.out.count(f"│{rule} │") == 1, answer.out
    line = answer.out.partition(f"│{rule} │")[2].partition("│ │")[0]
    return [rule, *(cell.strip() for cell in line.split("│"))]


def test_all_rules_side_by_side(flatfast):
    answer = flatfast("rescale", *PAIR, "--batch", "256:1024")
    assert answer.code == 0
    assert row(answer, "path")[1:3] == ["1.376", "0.6561"]
    assert row(answer, "linear")[1:3] == ["0.4", "0.9"]
    assert row(answer, "law")[1:3] == ["0.1", "0.937"]
    assert row(answer, "linear")[3] == "the step per sample; momentum stays"
    # Adam's rules are not made for this, and these two know nothing of the batch.
    for rule in ("adam-sde", "half-life", "critical", "effective-step"):
        assert f"│{rule} " not in answer.out


def test_another_learning_rate(flatfast):
    answer = flatfast("rescale", "--lr", "0.1:0.4", "--momentum", 0.9)
    assert row(answer, "law")[2] == "0.748"
    assert row(answer, "critical")[2] == "0.8"
    assert row(answer, "effective-step")[2] == "0.6"
    assert "│linear " not in answer.out  # sets the learning rate itself


def test_adam_with_all_that_goes_with_it(flatfast):
    words = ("--betas", "0.9,0.95", "--eps", 1e-8, "--weight-decay", 0.1, "--averaging", 0.999)
    answer = flatfast("rescale", "--lr", 3e-4, *words, "--batch", "1024:16384")
    cells = row(answer, "adam-sde [1]")
    assert cells[1:] == ["0.0012", "0.1853", "0.4401", "2.5e-09", "0.4", "0.98412"]
    assert "[1] a batch 16 times as large is longer than the memory of beta 1 0.9" in answer.out
    assert "adam-sde keeps memories per sample" in answer.out


def test_a_decay_is_never_shown_as_1(flatfast):
    words = "--lr 1e-3 --betas 0.9,0.999 --averaging 0.9999 --batch 256:8 --rule adam-sde"
    told = flatfast("rescale", *words.split()).out
    assert "beta 2 0.99997" in told
    assert "averaging 0.999997" in told


def test_a_learning_rate_alone_is_told_to_be_taken_for_that_of_sgd(flatfast):
    words = ("rescale", "--lr", 3e-4, "--batch", "64:256")
    assert "note: with neither momentum nor betas this is taken for SGD's" in flatfast(*words).out
    assert "taken for SGD's" not in flatfast(*words, "--momentum", 0).out


def test_one_rule_in_full(flatfast):
    answer = flatfast("rescale", *PAIR, "--batch", "256:16", "--rule", "noise-scale")
    assert answer.code == 0
    assert "lr 0.1, momentum 0" in answer.out
    assert "before: lr 0.1, momentum 0.9" in answer.out
    assert "note: noise-scale asks for 1 - momentum = 1.6" in answer.out
    assert "1711.00489" in answer.out


@pytest.mark.parametrize(
    ("setting", "kind", "words", "change"),
    [
        (("--momentum", 0.9), "SGD, images", ("--batch", "256:512"), "batch x 4"),
        (("--momentum", 0.9), "SGD, images", ("--batch", "256:8192"), "batch x 16"),
        (("--betas", "0.9,0.99"), "AdamW, images", ("--batch", "256:32"), "batch / 4"),
    ],
)
def test_what_was_measured(flatfast, setting, kind, words, change):
    answer = flatfast("rescale", "--lr", 0.1, *setting, *words)
    best = measured(kind, change)[0]
    assert f"measured ({kind}, {change}): " in answer.out
    assert IN_WORDS.get(best.way, best.way) in answer.out
    assert f"{best.worst:.2f} times the examples of tuning again" in answer.out
    assert ("no rule spares" in answer.out) == (best.within == 0)


@pytest.mark.parametrize("change", [("--batch", "128:1024"), ("--lr", "0.1:0.9")])
def test_beyond_what_was_measured_it_says_so(flatfast, change):
    lr = () if "--lr" in change else ("--lr", 0.1)
    assert "tune again if you can" in flatfast("rescale", *lr, "--momentum", 0.9, *change).out
    near = [word.replace("1024", "512").replace("0.9", "0.4") for word in change]
    assert "tune again" not in flatfast("rescale", *lr, "--momentum", 0.9, *near).out.split("┏")[
        0
    ].replace("tuning again", "")


def test_what_was_measured_of_another_learning_rate(flatfast):
    best = measured("SGD, images", "lr x 4")[0]
    answer = flatfast("rescale", "--lr", "0.1:0.3", "--momentum", 0.9)
    assert f"measured (SGD, images, lr x 4): {IN_WORDS.get(best.way, best.way)}" in answer.out
    both = flatfast("rescale", "--lr", "0.1:0.3", "--momentum", 0.9, "--batch", "1:2")
    assert "measured: not for a batch and a learning rate that change together" in both.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--momentum", 0.9), "give the learning rate that you tuned, e.g. --lr 0.1"),
        (PAIR, "say what changes: --batch 256:1024, or --lr 0.1:0.4"),
        ((*PAIR, "--batch", "1024"), "--batch takes OLD:NEW, for instance 256:1024, got '1024'"),
        ((*PAIR, "--batch", "a:b"), "--batch takes numbers like 256:1024, got 'a:b'"),
        ((*PAIR, "--batch", "0:4"), "batch must be positive and finite, got 0"),
        (("--lr", "1:2:3", "--momentum", 0.9), "--lr takes LR or LR:NEW"),
        (("--lr", 0.1, "--betas", "0.9;0.95", "--batch", "1:2"), "--betas takes numbers like"),
        (("--lr", 0.1, "--momentum", 1, "--batch", "1:2"), "momentum must be in [0, 1), got 1"),
        ((*PAIR, "--betas", "0.9,0.99", "--batch", "1:2"), "give momentum or betas"),
        (
            (*PAIR, "--batch", "1:2", "--rule", "paths"),
            "rule must be one of measured, path, linear",
        ),
        ((*PAIR, "--batch", "1:2", "--convention", "x"), "convention must be one of heavy-ball"),
    ],
)
def test_wrong_words(flatfast, words, message):
    assert message in flatfast("rescale", *words).told(2)
