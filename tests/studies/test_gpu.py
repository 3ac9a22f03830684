"""The queue of what waits for a GPU: its order, its processes, its data."""

import json
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyarrow.parquet as pq
import pytest

from flatfast.lab.images import CIFAR10, DATA, load_images
from flatfast.lab.recipes.recipe import Recipe
from studies import runner
from studies.gpu import apart, cases, run, sweep, tests
from studies.gpu.cases import Item, items, recipe, runs_of_stage, stages
from studies.runner import Order
from studies.study import ROOT, TimeIsUpError
from tests.made_up import image_folder

TINY = replace(cases.QUICK, settings={"noise_std": 0.4}, duration=4, records=8)


def test_three_learning_rates_come_first_the_shortest_runs_before_others():
    swept = Recipe("any", (0.001, 0.002, 0.004, 0.008, 0.016), (0.05, 0.9), 8, 6, 40)
    every = stages(swept)
    assert [stage.name for stage in every] == ["coarse", "seeds", "momenta", "whole"]
    assert [swept.lr[k] for k in every[0].lrs] == [0.016, 0.001, 0.004]
    for lr in swept.lr:
        sizes = [len(runs_of_stage(swept, stage, lr)) for stage in every]
        assert sizes == sorted(sizes)
        assert sizes[0] >= cases.FEWEST_MOMENTA * cases.FIRST_SEEDS
        done = [set(runs_of_stage(swept, stage, lr).identities()) for stage in every]
        assert all(few <= more for few, more in pairwise(done))
    whole = [runs_of_stage(swept, every[-1], lr) for lr in swept.lr]
    assert sum(map(len, whole)) == swept.grid_size()


def test_a_grid_of_few_momenta_is_not_thinned():
    swept = Recipe("any", (0.001, 0.01), (0.1, 0.9), 6, 2, 40)
    assert [(stage.name, stage.every) for stage in stages(swept)] == [("coarse", 1)]


@pytest.mark.parametrize("quick", [False, True])
def test_the_queue(quick):
    names = [item.name for item in items(quick)]
    assert len(set(names)) == len(names)
    assert names[0] == "sweep.start"
    kinds = list(dict.fromkeys(item.kind for item in items(quick)))
    assert kinds == ["start", "sweep", "tests", "calibration", "throughput"]
    first = {i.options["lr"] for i in items(quick) if i.name.startswith("sweep.coarse")}
    assert len(first) == min(3, len(recipe(quick).lr))
    assert names.index("tests.gpu") == len(first) + 1  # an exponent before all else


def test_plans_tell_what_is_missing_without_a_card(monkeypatch, tmp_path):
    monkeypatch.setattr(run, "has_gpu", lambda library: False)
    monkeypatch.delenv(DATA, raising=False)
    needs = {part.name: part.needs for part in run.parts(tmp_path, False)}
    assert needs["sweep.start"].startswith("jax with CUDA")
    assert needs["tests.gpu"] == "torch with CUDA"
    monkeypatch.setattr(run, "has_gpu", lambda library: True)
    needs = {part.name: part.needs for part in run.parts(tmp_path, False)}
    assert not needs["tests.gpu"]
    assert "set FLATFAST_DATA" in needs["sweep.start"]
    monkeypatch.setenv(DATA, "elsewhere")  # an id of the hub, which a GPU's machine may not reach
    needs = {part.name: part.needs for part in run.parts(tmp_path, False)}
    assert "is no folder, got elsewhere" in needs["sweep.start"]
    assert not any(part.needs for part in run.parts(tmp_path, True))


def test_one_library_has_the_card():
    of_torch = apart.environment(Item("a", "tests", "torch"), ROOT / "runs")
    assert of_torch["JAX_PLATFORMS"] == "cpu"
    of_jax = apart.environment(Item("a", "sweep", "jax"), ROOT / "runs")
    assert of_jax.get("JAX_PLATFORMS") != "cpu"
    assert of_jax["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"


@pytest.fixture
def job(monkeypatch, tmp_path):
    """A tiny sweep at one learning rate."""
    monkeypatch.setattr(sweep, "recipe", lambda quick: TINY)

    def told(seconds=math.inf):
        return apart.Job(tmp_path, True, seconds, {"stage": "coarse", "lr": TINY.lr[-1]})

    return told


def test_a_sweep_keeps_its_chunks_and_goes_on(job, tmp_path, monkeypatch):
    assert sweep.summary(tmp_path) is None
    monkeypatch.setattr(sweep.LocalEngine, "__init__", narrow(sweep.LocalEngine.__init__))
    with pytest.raises(TimeIsUpError, match=r"^4 of 12 runs are kept"):
        sweep.measure(job(1e-6))
    assert sweep.summary(tmp_path)["runs"] == 4
    found = sweep.measure(job())
    assert (found["runs"], found["run_steps"]) == (12, 8 * TINY.steps(TINY.lr[-1]))
    assert sweep.summary(tmp_path)["exponent"] is None  # of one learning rate
    assert sweep.measure(job())["run_steps"] == 0


def narrow(init):
    def made(self, *arguments, **options):
        init(self, *arguments, **options)
        self.width = 4

    return made


def test_an_item_that_fails_is_told_in_its_own_words(tmp_path):
    item = Item("no.such", "sweep", "jax")
    with pytest.raises(RuntimeError, match=r"(?s)ended with 1 \(.*no.such.txt.*no item 'no.such'"):
        apart.compute(item, tmp_path, True, math.inf)


def test_an_item_that_does_not_end_in_time_is_stopped(tmp_path):
    with pytest.raises(TimeIsUpError, match=r"^stopped after 0 s"):
        apart.compute(next(iter(items(True))), tmp_path, True, 0.01)


def test_what_is_kept_is_collected_over_what_was(tmp_path, capsys):
    order = Order("gpu", tmp_path / "runs", tmp_path / "out", quick=True, only=["sweep.start"])
    assert runner.compute(run.STUDY, order).computed == ["sweep.start"]
    assert "scalar-product of 2 weights begins" in capsys.readouterr().out
    before = {"items": {"tests.gpu": {"passed": 3}}, "machines": [], "sweep": {"runs": 7}}
    found = run.collect(order.folder, before)
    assert set(found) == {"items", "sweep"}
    assert set(found["items"]) == {"tests.gpu", "sweep.start"}


JUNIT = """<testsuites><testsuite>
<testcase classname="tests.torch.a" name="good"/>
<testcase classname="tests.torch.a" name="bad"><failure message="1 != 2">...</failure></testcase>
<testcase classname="tests.torch.a" name="out"><skipped message="needs a GPU"/></testcase>
</testsuite></testsuites>"""


def test_what_pytest_found(tmp_path):
    (tmp_path / "junit.xml").write_text(JUNIT)
    found = tests.counted(tmp_path / "junit.xml")
    assert (found["passed"], found["failed"], found["skipped"]) == (1, 1, 1)
    assert found["failures"] == {"tests.torch.a::bad": "1 != 2"}
    assert found["why_skipped"] == ["needs a GPU"]


def test_all_tests_that_need_a_gpu_are_in_the_queue():
    marked = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("test_*.py")
        if "pytest.mark.gpu" in path.read_text() and path != ROOT / "tests/studies/test_gpu.py"
    }
    assert marked == set(tests.OF_A_GPU)


class TestPack:
    @pytest.fixture(autouse=True)
    def whole(self, monkeypatch, tmp_path):
        pytest.importorskip("PIL", reason="needs the data extra")
        monkeypatch.setenv("FLATFAST_CACHE", str(tmp_path / "cache"))
        self.data = tmp_path / "whole"
        self.data.mkdir()
        image_folder(self.data / "cifar10", "img", (32, 32, 3), 80, 60)

    def test_the_same_images_as_from_the_whole(self, tmp_path):
        from studies.gpu.pack import Draw, pack

        draws = [Draw(CIFAR10, "train", 23, 1), Draw(CIFAR10, "train", 12, 0)]
        draws.append(Draw(CIFAR10, "test", 20, 1))
        assert "3 draws" in pack(draws, tmp_path / "pack", str(self.data))
        for draw in draws:
            options = (draw.split, draw.count, draw.seed)
            part = load_images(CIFAR10, str(tmp_path / "pack"), *options)
            from_all = load_images(CIFAR10, str(self.data), *options)
            np.testing.assert_array_equal(part.pixels, from_all.pixels)
            assert part.checksum == from_all.checksum
        table = pq.read_table(tmp_path / "pack/cifar10/train-00000-of-00001.parquet")
        assert len(table) == 80
        assert 23 <= 80 - table["img"].null_count <= 35

    def test_other_images_are_refused_by_name(self, tmp_path):
        from studies.gpu.pack import Draw, pack

        pack([Draw(CIFAR10, "train", 10, 0)], tmp_path / "pack", str(self.data))
        with pytest.raises(ValueError, match="holds 10 of the 80 images of cifar10 in train-0"):
            load_images(CIFAR10, str(tmp_path / "pack"), "train", 10, seed=1)
        with pytest.raises(FileNotFoundError, match="no Parquet file of the split test"):
            load_images(CIFAR10, str(tmp_path / "pack"), "test", 10)

    def test_it_is_the_same_each_time(self, tmp_path):
        from studies.gpu.pack import SUMS, Draw, pack

        for name in ("one", "other"):
            pack([Draw(CIFAR10, "test", 10, 0)], tmp_path / name, str(self.data))
        one, other = ((tmp_path / name / SUMS).read_text() for name in ("one", "other"))
        assert one == other
        assert "| cifar10 | test | 10 | 0 |" in (tmp_path / "one/README.md").read_text()

    def test_one_that_is_too_large(self, tmp_path, monkeypatch):
        from studies.gpu import pack

        monkeypatch.setattr(pack, "MOST_BYTES", 10_000)
        with pytest.raises(ValueError, match=r"must have at most 0 MB, .* fewer examples"):
            pack.pack([pack.Draw(CIFAR10, "test", 20, 0)], tmp_path / "pack", str(self.data))


def test_results_are_plain_json():
    json.dumps([dict(item.options) for quick in (False, True) for item in items(quick)])
