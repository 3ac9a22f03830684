"""The study of transfer: its networks, optimizers and search, and its parts on a tiny scale."""

import json

import numpy as np
import pytest

pytest.importorskip("jax", reason="needs the lab extra")

import jax
import jax.numpy as jnp
import optax

from flatfast.rescaling import measured as loaded
from studies.study import RESULTS, read_json
from studies.transfer import analysis, promises
from studies.transfer.compare import compare, losses_of
from studies.transfer.curves import SHARES
from studies.transfer.figure import draw
from studies.transfer.measured import PATH, measured
from studies.transfer.networks import (
    convolutional,
    patches,
    perceptron,
    residual,
    transformer,
)
from studies.transfer.optimizers import Hyper, fresh, is_hidden_matrix, step_of
from studies.transfer.run import STUDY
from studies.transfer.runs import joined, load, save
from studies.transfer.tables import everything, matrix, ways
from studies.transfer.tasks import BLOCKS, Effort, Task, tasks, text_checksum
from studies.transfer.train import train
from studies.transfer.tuning import LADDER, Point, hyper_of, plain, searched, told
from studies.transfer.ways import (
    CHANGES,
    LR_WAYS,
    TUNED,
)

# --- Optimizers and networks ---------------------------------------------------------------------


def by_optax(optimizer, hyper):
    if optimizer == "SGD":
        return optax.sgd(hyper.lr, hyper.first)
    return optax.adamw(
        hyper.lr, hyper.first, hyper.second, hyper.eps, weight_decay=hyper.weight_decay
    )


@pytest.mark.parametrize("optimizer", ["SGD", "AdamW"])
def test_steps_are_those_of_optax(optimizer):
    network = perceptron(3, 4, 2, 2)
    weights = theirs = network.start(jax.random.key(0))
    hyper = Hyper(0.05, 0.8, 0.95, 1e-3, 0.1)
    transform, step = by_optax(optimizer, hyper), step_of(optimizer)
    state, their_state = fresh(weights), transform.init(weights)
    x = jax.random.normal(jax.random.key(1), (5, 3))
    for _ in range(4):
        slope = jax.grad(lambda w: jnp.mean(network.outputs(w, x) ** 2))(weights)
        weights, state = step(weights, state, slope, hyper, jnp.ones(()))
        updates, their_state = transform.update(slope, their_state, theirs)
        theirs = optax.apply_updates(theirs, updates)
    for own, other in zip(jax.tree.leaves(weights), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(own, other, rtol=2e-5, atol=1e-6)


def test_muons_step_has_singular_values_of_about_one_and_leaves_the_ends_to_adam():
    network = perceptron(6, 8, 3, 4)
    weights = network.start(jax.random.key(0))
    slope = jax.tree.map(lambda w: jax.random.normal(jax.random.key(2), w.shape), weights)
    hyper = Hyper(0.1, 0.0, 0.99)
    moved, _ = step_of("Muon")(weights, fresh(weights), slope, hyper, jnp.ones(()))
    by_adam, _ = step_of("AdamW")(weights, fresh(weights), slope, hyper, jnp.ones(()))
    change = np.asarray(moved["layer0"]["matrix"] - weights["layer0"]["matrix"])
    sizes = np.linalg.svd(change / (0.1 * 0.2 * 8**0.5), compute_uv=False)
    assert sizes.min() > 0.5
    assert sizes.max() < 1.5
    np.testing.assert_array_equal(moved["out"]["matrix"], by_adam["out"]["matrix"])
    np.testing.assert_array_equal(moved["layer0"]["shift"], by_adam["layer0"]["shift"])
    text = transformer(9, 4, 8, 2, 1).start(jax.random.key(0))
    hidden = [
        jax.tree_util.keystr(path)
        for path, leaf in jax.tree_util.tree_leaves_with_path(text)
        if is_hidden_matrix(path, leaf)
    ]
    assert len(hidden) == 4


def test_the_transformer_does_not_look_ahead():
    network = transformer(9, 6, 8, 2, 2)
    weights = network.start(jax.random.key(0))
    x = jnp.arange(6)[None]
    changed = x.at[0, 4].set(8)
    first, second = (network.outputs(weights, each) for each in (x, changed))
    np.testing.assert_allclose(first[:, :4], second[:, :4], atol=1e-5)
    assert np.abs(first[:, 4:] - second[:, 4:]).max() > 1e-3


def test_patches_are_those_of_a_convolution():
    x = jax.random.normal(jax.random.key(0), (2, 6, 6, 3))
    kernel = jax.random.normal(jax.random.key(1), (3, 3, 3, 4))
    for stride in (1, 2):
        own = patches(x, stride) @ kernel.reshape(27, 4)
        # Padded by one pixel on every side: at stride 2 "SAME" would pad the far ones alone.
        padding = [(1, 1), (1, 1)]
        layout = ("NHWC", "HWIO", "NHWC")
        steps = (stride, stride)
        known = jax.lax.conv_general_dilated(x, kernel, steps, padding, dimension_numbers=layout)
        np.testing.assert_allclose(own, known, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("network", [convolutional(14, 1, (3, 4), 5), residual(1, 4, 5)])
def test_networks_of_images_learn(network):
    weights = network.start(jax.random.key(0))
    y = jnp.arange(20) % 5
    x = jax.random.normal(jax.random.key(1), (20, 14, 14, 1)) + y[:, None, None, None]

    def loss(w):
        return optax.softmax_cross_entropy_with_integer_labels(network.outputs(w, x), y).mean()

    step = jax.jit(lambda w: jax.tree.map(lambda a, g: a - 0.05 * g, w, jax.grad(loss)(w)))
    before = loss(weights)
    for _ in range(30):
        weights = step(weights)
    assert loss(weights) < 0.8 * before


# --- Runs ----------------------------------------------------------------------------------------


def tiny(seed=0, samples=8 * BLOCKS):
    """A task of microseconds: three classes of points on a plane."""

    def stream(seed):
        rng = np.random.default_rng(seed)
        classes = rng.integers(3, size=samples)
        noise = rng.normal(0, 0.7, (samples, 2))
        centres = np.array([[0, 1], [1, -1], [-1, -1]])
        return (centres[classes] + noise).astype(np.float32), classes.astype(np.int32)

    return Task(
        "digits",
        "points",
        perceptron(2, 6, 2, 3),
        stream,
        lambda: stream(99),
        batch=2,
        samples=samples,
        trained=(("SGD", "cosine"),),
        effort=Effort(1, 1, 1, 2),
        run_seconds=0.01,
    )


def test_runs_of_any_company_are_the_same_and_learn():
    task = tiny()
    settings = [Hyper(0.05, 0.9), Hyper(0.1, 0.5), Hyper(1e9, 0.9)]
    together = train(task, "SGD", "cosine", 2, settings, 0)
    alone = train(task, "SGD", "cosine", 2, settings[1:2], 0)
    np.testing.assert_allclose(together.losses[1], alone.losses[0], rtol=1e-4)
    assert together.losses[1, -1] < 0.9 * np.log(3)
    assert together.losses.shape == (3, len(SHARES))
    assert not np.isnan(together.losses).any()
    assert np.isinf(together.losses[2]).any() or together.losses[2, -1] > 10


def test_a_batch_must_divide_a_block():
    with pytest.raises(ValueError, match="8 examples of a block, got 3"):
        train(tiny(), "SGD", "cosine", 3, [Hyper(0.1, 0.9)], 0)


def test_streams_do_not_depend_on_anything_but_the_seed():
    task = tasks()["digits"]
    first, again, other = task.stream(0), task.stream(0), task.stream(1)
    np.testing.assert_array_equal(first[0], again[0])
    assert (first[0] != other[0]).any()
    assert len(first[1]) == task.samples
    for each in tasks().values():
        block = each.samples // BLOCKS
        assert all(block % c.batch(each.batch) == 0 for c in CHANGES)


def test_texts_are_followed_by_their_next_characters():
    task = tasks()["text"]
    x, y = task.stream(0)
    np.testing.assert_array_equal(x[:, 1:], y[:, :-1])
    assert len(text_checksum()) == 16


def test_the_search_finds_the_minimum_of_a_bowl():
    """Of known place, with noise in which a single seed does not tell neighbours apart."""
    rng = np.random.default_rng(0)

    def levels(points, seeds):
        where = np.array([(np.log2(p.step / 0.37), p.rung - 3, p.second == 0.99) for p in points])
        bowl = 0.02 * where[:, 0] ** 2 + 0.01 * where[:, 1] ** 2 + 0.02 * where[:, 2]
        return bowl[:, None] + rng.normal(0, 0.002, (len(points), len(seeds)))

    steps = [0.01 * 4**n for n in range(6)]
    best, tried, ends = searched(levels, steps, (0.99, 0.999), 2, 3, 6)
    assert 0.37 / 2**0.5 <= best.step <= 0.37 * 2**0.5
    assert best.rung == 3
    assert best.second == 0.999
    assert not ends
    assert len(tried[best]) == 9


def test_a_search_that_ends_at_its_edge_says_so():
    def levels(points, seeds):
        return np.array([[-p.rung - np.log(p.step)] * len(seeds) for p in points])

    best, _, ends = searched(levels, [0.01, 0.04], (0.99,), 1, 1, 1)
    assert best.rung == LADDER[-1]
    assert ends == ["lr", "momentum"]


# --- Study ---------------------------------------------------------------------------------------


def made_up():
    """Rows and tuned settings of a tiny comparison."""
    task = tiny()
    base = told("SGD", Point(0.2, 2, 0.999), {Point(0.2, 2, 0.999): [-0.5]}, [])
    again = told("SGD", Point(0.4, 2, 0.999), {Point(0.4, 2, 0.999): [-0.4]}, ["lr"])
    rows = compare(task, "SGD", "cosine", base, [(c, again) for c in CHANGES[3:]])
    tuned = {f"digits.SGD.cosine.tuned.{name}": again for name in ("lr-4", "lr-x-4")}
    return rows, tuned


def test_a_comparison_has_every_way_with_the_oracle_and_the_base():
    rows, tuned = made_up()
    assert [r["way"] for r in rows].count(TUNED) == 3
    assert all(losses_of(row).shape == (2, len(SHARES)) for row in rows)
    entries = analysis.comparisons(rows, tuned)
    assert len(entries) == 2 * len(LR_WAYS["SGD"])
    assert {entry["of"] for entry in entries} == {len(entries)}
    assert entries[0]["bounds"] == ["lr"]
    assert hyper_of(plain(Hyper(0.1, 0.9))) == Hyper(0.1, 0.9)


def test_the_matrix_puts_the_best_share_first():
    def entry(way, estimate, schedule, failures=0):
        found = {"estimate": estimate, "failures": failures, "oracle_failures": 0, "seeds": 4}
        case = {"task": "digits", "optimizer": "SGD", "schedule": schedule}
        told_ = {"change": "batch x 4", "way": way, "ratio": found, "doubts": [], "verdict": ""}
        return case | told_

    found = analysis.matrix(
        [
            entry("path", 1.01, "cosine"),
            entry("path", 1.5, "constant"),
            entry("linear", 1.02, "cosine"),
            entry("linear", 1.2, "constant"),
            entry("law", 1.0, "cosine", failures=1),
            entry("law", 1.03, "constant"),
        ]
    )
    best = found["SGD, images"]["batch x 4"]
    assert [way["way"] for way in best] == ["linear", "path", "law"]
    assert (best[0]["within"], best[0]["cases"], best[0]["worst"]) == (1, 2, 1.2)
    assert best[2]["within"] == 0
    assert "linear: 1 of 2, worst 1.20" in matrix({"matrix": found})


def test_rows_are_kept_beside_the_result_and_newer_ones_replace(tmp_path):
    rows, _ = made_up()
    path = tmp_path / "transfer.json"
    save(path, {"rows": rows, "tuned": {}})
    assert load(path)["rows"] == json.loads(json.dumps(rows))
    newer = [{**rows[0], "batch": 7}]
    assert [row["batch"] for row in joined(rows, newer)][:2] == [7, 2]
    assert len(joined(rows, newer)) == len(rows)


def test_figures_and_tables_of_a_result(tmp_path):
    rows, tuned = made_up()
    entries = analysis.comparisons(rows, tuned)
    found = {"comparisons": entries, "promises": promises.checked(quick=True)}
    draw(found, tmp_path)
    assert {path.name for path in tmp_path.glob("*.svg")} == {
        f"{name}{end}.svg"
        for name in ("transfer-digits", "promises", "settings")
        for end in ("", "-dark")
    }
    assert everything(found).count("\n") == len(entries) + 3
    assert "SGD, images" in ways({"matrix": analysis.matrix(entries)})


def test_the_plan_begins_with_promises_and_what_is_tuned_first(tmp_path):
    parts = list(STUDY.parts(tmp_path, True))
    assert [part.name for part in parts] == ["promises", "digits.SGD.cosine.tuned.none"]
    names = [part.name for part in STUDY.parts(tmp_path, False)]
    assert len(set(names)) == len(names)


def test_what_the_command_line_quotes_is_the_committed_result():
    result = read_json(RESULTS / "transfer" / "transfer.json", None)
    if result is None:
        pytest.skip("not measured yet")
    assert read_json(PATH, None) == measured(result)
    for kind in loaded.kinds():
        for change in loaded.changes(kind):
            assert loaded.measured(kind, change)[0].cases > 0
    with pytest.raises(ValueError, match="kind must be one of"):
        loaded.changes("SGD, smells")
