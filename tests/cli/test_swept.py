"""``flatfast sweep`` in units of the law, and with the comparison of methods."""

import json

import pytest

from flatfast.lab.store import read_chunks

pytestmark = pytest.mark.usefixtures("unrendered")


def test_momenta_in_units_of_the_law(flatfast, tmp_path):
    words = ("--lr", "0.02,0.4", "--seeds", 1, "--steps", 40, "--records", 8)
    answer = flatfast("sweep", "scalar-product", *words, "--C", "0.5:5:3", "--out", "here")
    assert answer.code == 0, answer.err
    assert "5 runs, into here" in answer.out
    assert "1 of 6 pairs left out: 1 - C lr^(2/3) is negative" in answer.out
    rows = read_chunks(tmp_path / "here")[0]
    found = set(zip(rows["lr"].to_pylist(), rows["momentum"].to_pylist(), strict=True))
    expected = {(lr, 1 - C * lr ** (2 / 3)) for lr in (0.02, 0.4) for C in (0.5, 1.58114, 5)}
    assert sorted(found) == pytest.approx(
        [pytest.approx(pair, rel=1e-4) for pair in sorted(expected) if pair[1] >= 0]
    )
    both = flatfast("sweep", "scalar-product", *words, "--C", "0.5", "--momentum", "0.9")
    assert "give --momentum or --C, not both" in both.told(2)
    none = flatfast("sweep", "scalar-product", *words, "--C", "20")
    assert "C must be at most lr^(-2/3) = 13.6" in none.told(2)
    assert "C must be positive" in flatfast("sweep", "x", *words, "--C", "-1").told(2)
    one = flatfast("sweep", "scalar-product", "--lr", "0.02,0.4", "--adaptive", "--C", "0.5")
    assert "two values at least, got 0.5 alone" in one.told(2)


def test_a_sweep_compares_methods_on_request(flatfast, tmp_path):
    words = (
        *("sweep", "scalar-product", "--lr", "0.001,0.003,0.01", "--C", "0.15:3:8"),
        *("--seeds", 12, "--records", 64, "--compare", "--out", "here"),
    )
    answer = flatfast(*words)
    assert answer.code == 0, answer.err
    summary = json.loads((tmp_path / "here" / "summary.json").read_text())
    names = [method["name"] for method in summary["comparison"]["methods"]]
    assert "plain SGD" in names
    assert {0.001, 0.003, 0.01} <= set(summary["comparison"]["etas"])
    again = flatfast(*words)
    assert f"{summary['counts']['runs']} runs are stored already" in again.out
    refused = flatfast(*words[:-2], "--nesterov", "--out", "there")
    assert "--compare has the stability limits of heavy ball" in refused.told(2)
