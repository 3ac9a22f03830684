"""summary.json: its schema, its documentation, its numbers."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flatfast.lab.analysis import analyse
from flatfast.lab.report import Study, advice, headline, summarise
from flatfast.lab.report.narrative import limit_line
from flatfast.lab.report.page import page
from flatfast.lab.report.summary import SCHEMA, plain, write_summary
from flatfast.law import MomentumLaw

DOCUMENTED = Path(__file__).parents[3] / "docs" / "summary.md"
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}


def violations(
    value: Any, schema: dict[str, Any], root: dict[str, Any], at: str = "$"
) -> Iterator[str]:
    """The part of JSON Schema that summary.schema.json uses."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        if not any(not list(violations(value, one, root, at)) for one in schema["anyOf"]):
            yield f"{at}: none of anyOf"
        return
    if "const" in schema and value != schema["const"]:
        yield f"{at}: not {schema['const']}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: not in {schema['enum']}"
    if "type" in schema:
        names = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        fits = any(
            isinstance(value, TYPES[n]) and (n == "boolean" or not isinstance(value, bool))
            for n in names
        )
        if not fits:
            yield f"{at}: {value!r} is not {names}"
    if isinstance(value, dict):
        known, more = schema.get("properties", {}), schema.get("additionalProperties", True)
        yield from (f"{at}: lacks {n}" for n in schema.get("required", []) if n not in value)
        for name, item in value.items():
            if name in known:
                yield from violations(item, known[name], root, f"{at}.{name}")
            elif more is False:
                yield f"{at}: has {name}"
            elif isinstance(more, dict):
                yield from violations(item, more, root, f"{at}.{name}")
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            yield from violations(item, schema["items"], root, f"{at}[{i}]")


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return read


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} in JSON")


def test_follows_the_schema(study: Study, schema: dict[str, Any], tmp_path: Path) -> None:
    path = write_summary(summarise(study), tmp_path / "summary.json")
    document = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert list(violations(document, schema, schema)) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"schema_version": 1}, "not 2"),
        ({"etas": ["a"]}, "not ['number']"),
        ({"surprise": 1}, "has surprise"),
        ({"level": True}, "not ['number']"),
        ({"speedup_best_eta": {"x": {"estimate": 1.0}}}, "lacks relation"),
    ],
)
def test_the_check_can_fail(
    full: Study, schema: dict[str, Any], change: dict[str, Any], complaint: str
) -> None:
    found = list(violations(summarise(full) | change, schema, schema))
    assert any(complaint in one for one in found)


def fields(node: dict[str, Any], defs: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Every field below a node, as the documentation names it, with its description."""
    for name, item in node.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        yield here, item["description"] if "description" in item else described(item, defs)
        yield from fields(item, defs, here)
    for key, mark in (("items", "[]"), ("additionalProperties", ".*")):
        if isinstance(node.get(key), dict):
            yield from fields(node[key], defs, f"{path}{mark}")


def described(item: dict[str, Any], defs: dict[str, Any]) -> str:
    described: str = defs[item["$ref"].rpartition("/")[2]]["description"]
    return described


def test_every_field_is_documented(schema: dict[str, Any]) -> None:
    text = DOCUMENTED.read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `([^`]+)` \| .* \| (.*) \|$", text, re.MULTILINE))
    defs = schema["$defs"]
    expected = [one for node in (schema, *defs.values()) for one in fields(node, defs)]
    assert len(expected) > 60
    assert [one for one in expected if one not in rows] == []


def test_numbers_are_those_of_the_fit(full: Study) -> None:
    assert full.fit is not None
    assert full.comparison is not None
    summary = summarise(full)
    assert summary["exponent"]["estimate"] == full.fit.exponent.estimate
    assert summary["best_C"]["low"] == full.fit.prefactor.low
    assert summary["etas"] == full.grid.lr.tolist()
    for momentum, mu in zip(summary["best_momentum"], summary["best_mu"], strict=True):
        assert momentum["estimate"] == pytest.approx(1 - mu["estimate"])
        assert momentum["low"] == pytest.approx(1 - mu["high"])
        assert momentum["low"] < momentum["estimate"] < momentum["high"]
    speed = {s.method: s for s in full.comparison.speedup_best}
    assert (
        summary["speedup_best_eta"]["momentum 0.9"]["estimate"]
        == speed["momentum 0.9"].ratio.estimate
    )
    assert set(full.comparison.lr) <= {s["eta"] for s in summary["speedup_at_eta"]["momentum 0.9"]}
    for method in summary["comparison"]["methods"]:
        within = [entry["eta"] for entry in method["at_eta"]]
        above = [entry["eta"] for entry in method["beyond"]]
        assert max(within) < method["stability_limit"]
        assert not above or min(above) > method["stability_limit"]


def test_open_ends_are_null_and_labelled(full: Study) -> None:
    bound = summarise(full)["speedup_best_eta"]["plain SGD"]
    assert bound["relation"] == ">"
    assert bound["high"] is None
    assert bound["estimate"] > 1


def test_counts_every_run_once(full: Study) -> None:
    counts = summarise(full)["counts"]
    assert counts["runs"] == full.runs.num_rows == sum(counts["by_status"].values())
    assert counts["runs"] == sum(sum(tally.values()) for tally in counts["by_method"].values())
    assert counts["by_status"]["diverged"] == full.runs["status"].to_pylist().count("diverged")


def test_a_single_rate_still_has_its_best_momentum(single: Study) -> None:
    summary = summarise(single)
    (best,) = summary["best_momentum"]
    assert summary["exponent"] is None
    assert best["located"]
    assert best["low"] <= best["estimate"] <= best["high"]
    assert "3 or more learning rates" in summary["missing"]["fit"]
    assert "at learning rate 0.01" in headline(summary)[0]
    assert any("three or more" in said for said in advice(summary))


def test_says_when_nothing_converged(unreached: Study) -> None:
    summary = summarise(unreached)
    assert not any(best["located"] or best["estimate"] for best in summary["best_momentum"])
    assert all(best["reason"] for best in summary["best_momentum"])
    assert "no run of the sweep reached the goal" in headline(summary)[0]
    assert "longer" in advice(summary)[0]


def test_headline_reads_the_numbers_back(full: Study) -> None:
    summary = summarise(full)
    lines = headline(json.loads(json.dumps(summary)))
    assert f"{summary['exponent']['estimate']:.3f}" in lines[0]
    assert any("more than" in line and "plain SGD" in line for line in lines)
    assert advice(summary) == ()


def test_headline_tells_of_rules_that_beat_the_law(full: Study) -> None:
    summary = summarise(full)
    assert not any("Faster than the law" in line for line in headline(summary))
    beaten = {**summary["speedup_best_eta"]["momentum 0.9"], "estimate": 0.5, "faster": "method"}
    beaten["relation"] = "<"
    names = ("momentum 0.9", "best momentum at each lr")  # the second is an oracle, no rule
    changed = summary | {"speedup_best_eta": dict.fromkeys(names, beaten)}
    (said,) = [line for line in headline(changed) if "Faster than the law" in line]
    assert "momentum 0.9 (less than 0.500× the law's steps)." in said
    assert "each lr" not in said


def test_headline_tells_the_correction_where_two_thirds_is_excluded() -> None:
    """Rates at which the slope is 0.72, of a law whose limit is 2/3."""
    lr = np.geomspace(1e-3, 1e-1, 5)
    momenta = [float(MomentumLaw(0.2, correction=0.7)(rate)) for rate in lr]
    best = [
        {"eta": rate, "estimate": momentum, "located": True}
        for rate, momentum in zip(lr, momenta, strict=True)
    ]
    excluded = {"verdicts": [{"name": "2/3", "inside": False}], "best_momentum": best}
    said = limit_line(excluded)
    assert "by 0.0%" in said
    assert "C 0.200 (0.200 to 0.200), a 0.700 (0.700 to 0.700)" in said
    assert limit_line({**excluded, "verdicts": [{"name": "2/3", "inside": True}]}) == ""
    assert limit_line({**excluded, "best_momentum": best[:3]}) == ""


def test_plain_knows_numpy_and_hides_what_is_not_finite() -> None:
    value = {"a": np.float64("nan"), 1: (np.int64(2), np.array([np.inf, 1.5])), "p": Path("x")}
    assert plain(value) == {"a": None, "1": [2, [None, 1.5]], "p": "x"}


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    path.write_text("old")
    with pytest.raises(ValueError, match="JSON"):
        write_summary({"a": float("nan")}, path)
    with pytest.raises(UnicodeEncodeError):
        write_summary({"a": "\ud800"}, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_methods_that_are_to_be_compared_and_were_not_yet(deep: Study) -> None:
    asked = analyse(deep.runs, {**deep.manifest, "comparison": {"curvature": 18.0}}, n_boot=20)
    assert asked.missing["comparison"].startswith("the runs of the methods are not made yet")
    without = analyse(deep.runs, {**deep.manifest, "comparison": {"records": 20}}, n_boot=20)
    assert without.missing["comparison"] == "no runs of the methods were asked for"
    told = {"comparison": "of another goal"}
    held = analyse(deep.runs, {**deep.manifest, "comparison": {"curvature": 1.0}}, missing=told)
    assert held.missing == told


def test_cautions_reach_the_reader(deep: Study, full: Study) -> None:
    # Momenta in step with the optima, which no interval sees.
    summary = summarise(deep)
    assert summary["exponent"]["caution"].startswith("the best momentum moves by 1.0")
    assert "A caution: the best momentum moves by 1.0" in page(summary, [])
    without = {**summary, "exponent": {**summary["exponent"], "caution": ""}}
    assert "A caution" not in page(without, [])
    # Three best momenta leave one degree of freedom to judge the line by.
    summary = summarise(full)
    summary["best_momentum"] = summary["best_momentum"][:3]
    (told,) = advice(summary)
    assert told.startswith("Three best momenta say little")
