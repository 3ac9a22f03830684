"""What all studies share: parts that are kept, a result that is never the worse for a new one."""

import json
import os
import threading
import time
from dataclasses import replace

import pytest

from flatfast.lab.engines.local import LocalEngine
from flatfast.lab.sweep import InterruptedSweepError
from studies import __main__ as command_line
from studies import catalogue, engines, machines, runner, study
from studies.runner import Order
from studies.study import Part, Study, TimeIsUpError, json_part, kept_json, read_json


def squared(number):
    return {"square": number**2}


class Numbers:
    """A study of the squares of some numbers; the last follows from what was found before."""

    def __init__(self, *numbers, sum_follows=True, **more):
        self.numbers, self.sum_follows, self.computed = numbers, sum_follows, []
        self.study = Study(self.parts, self.collect, self.draw, prepare=lambda: None, **more)
        self.drawn = []

    def parts(self, folder, quick):
        for number in self.numbers[:1] if quick else self.numbers:
            yield json_part(folder, f"square.{number}", lambda n=number: self.compute(n))
        found = [kept_json(folder, f"square.{number}") for number in self.numbers]
        if self.sum_follows and all(found):
            total = sum(entry["square"] for entry in found)
            yield json_part(folder, "sum", lambda: self.compute(total))

    def compute(self, number):
        self.computed.append(number)
        if number < 0:
            raise ValueError(f"number must be at least 0, got {number}")
        return squared(number)

    def collect(self, folder, before):
        kept = {n: kept_json(folder, f"square.{n}") for n in self.numbers}
        return {"squares": before.get("squares", {}) | {str(n): k for n, k in kept.items() if k}}

    def draw(self, result, folder):
        self.drawn.append(sorted(result["squares"]))


@pytest.fixture
def order(tmp_path):
    def ordered(**more):
        return Order("numbers", tmp_path / "runs", tmp_path / "results", **more)

    return ordered


def test_parts_are_computed_once_and_the_next_follow_from_them(order):
    numbers = Numbers(2, 3)
    assert runner.compute(numbers.study, order()).computed == ["square.2", "square.3", "sum"]
    assert numbers.computed == [2, 3, 13]
    assert runner.compute(numbers.study, order()).computed == []
    assert kept_json(order().folder, "sum") == {"square": 169}


@pytest.mark.parametrize("workers", [1, 3])
def test_a_part_that_fails_is_told_and_the_others_go_on(order, workers):
    numbers = Numbers(2, -1, 3)
    outcome = runner.compute(numbers.study, order(workers=workers))
    assert sorted(outcome.computed) == ["square.2", "square.3"]
    assert outcome.failed == {"square.-1": "number must be at least 0, got -1"}
    numbers = Numbers(2, -1, 3)
    runner.compute(numbers.study, order())
    assert numbers.computed == [-1]  # once, and again when asked again


def test_parts_at_once(order):
    met = threading.Barrier(2, timeout=20)
    parts = [json_part(order().folder, name, met.wait) for name in ("one", "other")]
    meeting = Study(lambda *_: parts, lambda *_: {}, prepare=lambda: None)
    assert sorted(runner.compute(meeting, order(workers=2)).computed) == ["one", "other"]


def test_parts_in_processes(order):
    from functools import partial

    parts = [json_part(order().folder, f"number.{n}", partial(pow, n, 2)) for n in (2, 3)]
    apart = Study(lambda *_: parts, lambda *_: {}, prepare=lambda: None, side_by_side="processes")
    runner.compute(apart, order(workers=2))
    assert [kept_json(order().folder, part.name) for part in parts] == [4, 9]


def test_only_what_is_asked_for(order):
    numbers = Numbers(2, 3, 33)
    assert runner.compute(numbers.study, order(only=["square.3*"])).computed == [
        "square.3",
        "square.33",
    ]


def test_nothing_is_begun_that_would_end_too_late(order):
    folder = order().folder
    parts = [
        json_part(folder, "short", lambda: 1, seconds=1),
        json_part(folder, "long", lambda: 1, seconds=600),
    ]
    timed = Study(lambda *_: parts, lambda *_: {}, prepare=lambda: None)
    outcome = runner.compute(timed, order(minutes=5))
    assert outcome.computed == ["short"]
    assert outcome.left == {"long": "the time is up"}


def test_what_a_part_needs(order):
    part = Part("images", lambda: 1 / 0, lambda: False, needs="the images: set FLATFAST_DATA")
    outcome = runner.compute(Study(lambda *_: [part], lambda *_: {}, prepare=lambda: None), order())
    assert outcome.left == {"images": "needs the images: set FLATFAST_DATA"}


def test_what_a_part_needs_may_be_made_meanwhile(order):
    folder = order().folder

    def parts(*_):
        yield json_part(folder, "first", lambda: 1)
        ready = kept_json(folder, "first") is not None
        yield json_part(folder, "second", lambda: 2, needs="" if ready else "the first")

    outcome = runner.compute(Study(parts, lambda *_: {}, prepare=lambda: None), order())
    assert (outcome.computed, outcome.left) == (["first", "second"], {})


def test_the_result_names_machines_and_keeps_what_was_measured_elsewhere(order, tmp_path):
    elsewhere = Order("numbers", tmp_path / "elsewhere", order().out)
    runner.compute(Numbers(2, sum_follows=False).study, elsewhere)
    runner.collect(Numbers(2).study, elsewhere)

    numbers = Numbers(2, 3, sum_follows=False)
    assert runner.compute(numbers.study, order()).computed == ["square.3"]
    result = runner.collect(numbers.study, order())
    assert result["squares"] == {"2": {"square": 4}, "3": {"square": 9}}
    assert machines.measured(result) == ["square.2", "square.3"]
    assert [sorted(entry) for entry in result["machines"]] == [
        ["day", "device", "machine", "parts", "versions"]
    ]
    assert result == read_json(order().result, None)
    assert numbers.drawn == [["2", "3"]]


def test_again(order):
    numbers = Numbers(2, sum_follows=False)
    runner.compute(numbers.study, order())
    runner.collect(numbers.study, order())
    other = Order("numbers", order().folder.parent / "new", order().out, again=True)
    assert runner.compute(numbers.study, other).computed == ["square.2"]


class GoesOn:
    """A timed part that needs two turns."""

    def __init__(self):
        self.left = []

    def __call__(self, seconds):
        self.left.append(seconds)
        if len(self.left) == 1:
            raise TimeIsUpError("1 of 2 runs are kept")
        return len(self.left)


def test_a_timed_part_begins_however_long_it_takes_and_is_told_what_is_left(order):
    folder, part = order().folder, GoesOn()
    queue = of_parts(
        json_part(folder, "long", part, seconds=6000, timed=True),
        json_part(folder, "plain", lambda: 1, seconds=1),
    )
    first = runner.compute(queue, order(minutes=10))
    assert first.computed == ["plain"]  # and the long one is not begun again
    assert first.left == {"long": "the time is up: 1 of 2 runs are kept"}
    assert runner.compute(queue, order()).computed == ["long"]
    assert 590 < part.left[0] <= 600
    assert part.left[1] == float("inf")


def test_nothing_measured_writes_nothing(order):
    runner.collect(Numbers(2).study, order())
    assert not order().result.exists()


def test_a_quick_look_knows_nothing_of_the_committed_result(order):
    numbers = Numbers(2, 3, sum_follows=False)
    runner.compute(numbers.study, order())
    runner.collect(numbers.study, order())
    quick = Order("numbers", order().folder / "quick", order().folder / "quick-result", quick=True)
    assert runner.compute(numbers.study, quick).computed == ["square.2"]
    assert runner.collect(numbers.study, quick)["squares"] == {"2": {"square": 4}}


def test_parts_of_several_machines():
    here = {"machine": {"cores": 2}, "device": "cpu", "versions": {"jax": "1"}}
    there = here | {"device": "gpu"}
    before = {"machines": [{**there, "parts": ["one", "two"]}]}
    found = machines.merged(before, {"two": here, "three": here})
    assert found == [{**there, "parts": ["one"]}, {**here, "parts": ["two", "three"]}]


@pytest.mark.parametrize("name", ["a/b", "", "a b"])
def test_names_of_parts_are_names_of_files(name):
    with pytest.raises(ValueError, match="a part's name must match"):
        Part(name, squared, lambda: True)


def of_parts(*parts, **more):
    return Study(lambda *_: parts, lambda *_: {}, prepare=lambda: None, **more)


def nothing():
    time.sleep(0.1)


def slow():
    time.sleep(1)


def stopped():
    raise InterruptedSweepError("as by Ctrl-C in a sweep")


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_a_stop_begins_nothing_more_and_keeps_what_is_there(order, workers, kind):
    folder = order().folder
    do = [nothing, nothing, stopped] + 9 * [slow]
    parts = [json_part(folder, f"p.{n}", each) for n, each in enumerate(do)]
    study = of_parts(*parts, side_by_side=kind)
    with pytest.raises(KeyboardInterrupt):
        runner.compute(study, order(workers=workers))
    there = {part.name for part in parts if runner.is_kept(part, order())}
    # Whoever begins p.2 has ended one before it; with two processes the other one may be in flight.
    assert there & {"p.0", "p.1"}
    assert "p.2" not in there
    assert "p.11" not in there
    quick = [json_part(folder, part.name, nothing) for part in parts]
    again = of_parts(*quick, side_by_side=kind)
    assert set(runner.compute(again, order()).computed) == {p.name for p in parts} - there


def test_whatever_goes_wrong_in_a_part_is_told(order):
    parts = [json_part(order().folder, n, do) for n, do in [("bad", squared), ("good", nothing)]]
    outcome = runner.compute(of_parts(*parts), order())
    assert outcome.computed == ["good"]
    assert outcome.failed["bad"].startswith("TypeError: squared() missing 1 required")


def dies():
    os._exit(3)


def test_a_process_that_dies(order):
    parts = [json_part(order().folder, n, do) for n, do in [("a", dies), ("b", dies)]]
    outcome = runner.compute(of_parts(*parts, side_by_side="processes"), order(workers=2))
    assert set(outcome.failed) == {"a", "b"}
    assert all("died" in why for why in outcome.failed.values())


def test_a_part_without_a_note_is_computed_again(order):
    numbers = Numbers(2, sum_follows=False)
    runner.compute(numbers.study, order())
    (order().folder / "machines" / "square.2.json").unlink()
    assert runner.compute(numbers.study, order()).computed == ["square.2"]


def test_a_quick_look_and_the_whole_are_not_put_together(order, tmp_path):
    numbers = Numbers(2, sum_follows=False)
    runner.compute(numbers.study, order())
    runner.collect(numbers.study, order())
    with pytest.raises(ValueError, match="holds parts of the whole, and not of a quick look"):
        runner.compute(numbers.study, order(quick=True))
    over = Order("numbers", tmp_path / "other", order().out, quick=True)
    with pytest.raises(ValueError, match="is the result of the whole, and not of a quick look"):
        runner.compute(numbers.study, over)
    quick = Order("numbers", tmp_path / "other", tmp_path / "other-result", quick=True)
    runner.compute(numbers.study, quick)
    assert runner.collect(numbers.study, quick)["quick"] is True
    with pytest.raises(ValueError, match="holds parts of a quick look, and not of the whole"):
        runner.collect(numbers.study, Order("numbers", quick.folder, order().out))


def test_parts_that_take_the_place_of_others():
    here = {"machine": {"cores": 2}, "device": "cpu", "versions": {}, "day": "2026-01-02"}
    there = {**here, "device": "gpu"}
    before = {"machines": [{**there, "parts": ["one", "two"]}, {**here, "parts": ["three"]}]}
    notes = {"two": here, "three": {**here, "quick": True}, "four": here}
    assert machines.replaced(before, notes) == ["two"]


@pytest.mark.parametrize("content", ["", "{", "[1,"])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "result.json").write_text(content)
    with pytest.raises(ValueError, match=r"result\.json is damaged .*delete it"):
        read_json(tmp_path / "result.json", None)


def test_a_result_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "made" / "result.json"
    study.write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        study.write_json(path, {"a": object()})
    assert read_json(path, None) == {"a": 1}
    assert [entry.name for entry in path.parent.iterdir()] == ["result.json"]


def test_studies_are_found_by_their_folders():
    assert {"limit", "regimes", "training"} <= set(catalogue.names())
    assert "quotes" not in catalogue.names()
    for name in catalogue.names():
        assert catalogue.question(name).endswith("?")


def test_a_study_that_is_not_there():
    with pytest.raises(ValueError, match=r"no study 'limits'; did you mean limit\?"):
        catalogue.load("limits")


class TestCommandLine:
    @pytest.fixture(autouse=True)
    def made_up(self, monkeypatch, tmp_path):
        self.numbers = Numbers(2, 3, sum_follows=False)
        monkeypatch.setattr(catalogue, "names", lambda: ["numbers"])
        monkeypatch.setattr(catalogue, "load", lambda name: self.numbers.study)
        monkeypatch.setattr(catalogue, "question", lambda name: "What are their squares?")
        monkeypatch.setattr(command_line, "RUNS", tmp_path / "runs")
        monkeypatch.setattr(command_line, "RESULTS", tmp_path / "results")
        self.folder = tmp_path

    def call(self, monkeypatch, *words):
        monkeypatch.setattr("sys.argv", ["studies", *words])
        command_line.main()

    def test_run_and_list(self, monkeypatch, capsys):
        self.call(monkeypatch)
        assert "0 of 2 parts" in capsys.readouterr().out
        self.call(monkeypatch, "numbers")
        assert "2 parts computed, 0 failed, 0 left" in " ".join(capsys.readouterr().out.split())
        written = json.loads((self.folder / "results/numbers/numbers.json").read_text())
        assert written["squares"] == {"2": {"square": 4}, "3": {"square": 9}}
        self.call(monkeypatch)
        assert "2 of 2 parts" in capsys.readouterr().out

    def test_a_plan_computes_nothing(self, monkeypatch, capsys):
        self.call(monkeypatch, "numbers", "--plan")
        assert capsys.readouterr().out.count("missing") == 3
        assert self.numbers.computed == []

    def test_quick_is_apart(self, monkeypatch):
        self.call(monkeypatch, "numbers", "--quick")
        assert not (self.folder / "results").exists()
        assert (self.folder / "runs/numbers-quick/result/numbers.json").exists()

    def test_collect_alone(self, monkeypatch, capsys):
        with pytest.raises(SystemExit) as nothing:
            self.call(monkeypatch, "numbers", "--collect")
        assert nothing.value.code == 1
        assert "nothing is measured" in capsys.readouterr().out
        self.call(monkeypatch, "numbers")
        self.call(monkeypatch, "numbers", "--collect")
        assert self.numbers.computed == [2, 3]

    def test_a_pack(self, monkeypatch, capsys):
        with pytest.raises(SystemExit) as nothing:
            self.call(monkeypatch, "numbers", "--pack", "--out", str(self.folder))
        assert nothing.value.code == 2
        assert "numbers needs no data that could be packed" in capsys.readouterr().out
        self.numbers.study = replace(self.numbers.study, pack=lambda folder: f"packed in {folder}")
        self.call(monkeypatch, "numbers", "--pack", "--out", "there")
        assert "packed in there" in capsys.readouterr().out
        with pytest.raises(SystemExit):
            self.call(monkeypatch, "numbers", "--pack")
        assert "a pack needs a folder to be written to: --out FOLDER" in capsys.readouterr().out
        assert self.numbers.computed == []

    def test_a_failure_is_the_exit_code(self, monkeypatch):
        self.numbers = Numbers(-1)
        with pytest.raises(SystemExit) as stopped:
            self.call(monkeypatch, "numbers")
        assert stopped.value.code == 1

    def test_a_study_that_cannot_be_loaded_is_listed_with_the_others(self, monkeypatch, capsys):
        def load(name):
            if name == "broken":
                raise SyntaxError("invalid syntax")
            return self.numbers.study

        monkeypatch.setattr(catalogue, "names", lambda: ["broken", "numbers"])
        monkeypatch.setattr(catalogue, "load", load)
        self.call(monkeypatch)
        printed = " ".join(capsys.readouterr().out.split())
        assert "cannot be read: SyntaxError" in printed
        assert "0 of 2 parts" in printed

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (("--only", "cube.*"), "no part matches cube.*; there are square.2, square.3"),
            (("--runs", "FILE"), "Not a directory"),
        ],
    )
    def test_a_wrong_command_is_told_in_a_line(self, monkeypatch, capsys, tmp_path, words, told):
        (tmp_path / "file").write_text("")
        words = [word.replace("FILE", str(tmp_path / "file")) for word in words]
        with pytest.raises(SystemExit) as wrong:
            self.call(monkeypatch, "numbers", *words)
        printed = " ".join(capsys.readouterr().out.split())
        assert wrong.value.code in (1, 2)
        assert told in printed or "File exists" in printed

    def test_ctrl_c_while_the_result_is_collected(self, monkeypatch, capsys):
        def interrupted(*_):
            raise KeyboardInterrupt

        self.numbers.collect = interrupted
        self.numbers.study = Study(self.numbers.parts, interrupted, prepare=lambda: None)
        with pytest.raises(SystemExit) as stop:
            self.call(monkeypatch, "numbers")
        assert stop.value.code == 130
        assert "the same command goes on" in capsys.readouterr().out

    @pytest.mark.parametrize("minutes", ["nan", "-1", "0", "soon"])
    def test_minutes(self, monkeypatch, minutes, capsys):
        with pytest.raises(SystemExit):
            self.call(monkeypatch, "numbers", "--minutes", minutes)
        assert "--minutes" in capsys.readouterr().err

    @pytest.mark.parametrize("workers", ["0", "many"])
    def test_workers(self, monkeypatch, workers, capsys):
        with pytest.raises(SystemExit):
            self.call(monkeypatch, "numbers", "--workers", workers)
        assert "--workers" in capsys.readouterr().err


def told_engine():
    return engines.in_use().__class__.__name__


def test_sweeps_of_parts_are_made_by_the_engine_of_the_command(order):
    parts = [json_part(order().folder, "one", told_engine)]
    runner.compute(of_parts(*parts), order(engine="processes"))
    assert kept_json(order().folder, "one") == "Processes"
    assert engines.in_use() is LocalEngine


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "clouds"}, "engine must be one of local"),
        ({"engine": "processes", "workers": 2}, "give --engine processes or --workers 2, not both"),
    ],
)
def test_engines_that_do_not_go(order, options, message):
    parts = [json_part(order().folder, "one", told_engine)]
    with pytest.raises(ValueError, match=message):
        runner.compute(of_parts(*parts, side_by_side="processes"), order(**options))
