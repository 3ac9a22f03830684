"""Noise-free descent: phase 1, its refusals, and the cache."""

import random
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flatfast.lab.atomic import atomically
from flatfast.lab.cache import cached, content_hash
from flatfast.lab.descent import Descent, NotInterpolatingError, descend, interpolate
from flatfast.lab.goal import Goal
from flatfast.lab.training.supervised import supervised


def bowl(params):
    return jnp.sum(params["w"] ** 2) / 2


def test_descends_to_the_target_and_not_much_further():
    point = interpolate(bowl, {"w": jnp.ones(3)}, Descent(0.1, 0.0, 10_000), 1e-6)
    assert bowl(point) <= 1e-6
    one_check_earlier = 0.9**-100
    assert bowl(point) * one_check_earlier**2 > 1e-6


def test_descend_is_heavy_ball():
    found = descend(bowl, {"w": jnp.ones(2)}, Descent(0.1, 0.5, 3))
    position, velocity = 1.0, 0.0
    for _ in range(3):
        velocity = 0.5 * velocity + position
        position -= 0.1 * velocity
    np.testing.assert_allclose(found["w"], position, rtol=1e-6)


def test_too_few_steps_says_how_far_it_got():
    with pytest.raises(
        NotInterpolatingError, match=r"reached a loss of .* in 100 steps, not the 1e-12"
    ):
        interpolate(bowl, {"w": jnp.ones(3)}, Descent(0.01, 0.0, 100), 1e-12)


def test_divergence_is_told():
    with pytest.raises(NotInterpolatingError, match=r"diverged .* lr 5.0 .* smaller lr"):
        interpolate(bowl, {"w": jnp.ones(3)}, Descent(5.0, 0.9, 10_000), 1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lr": 0}, "lr must be positive"),
        ({"momentum": 1.0}, r"momentum must be in \[0, 1\), got 1.0"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
    ],
)
def test_bad_settings(arguments, message):
    with pytest.raises(ValueError, match=message):
        Descent(**arguments)


def test_cache_returns_what_was_computed(tmp_path, monkeypatch):
    monkeypatch.setenv("FLATFAST_CACHE", str(tmp_path))
    calls = []

    def compute():
        calls.append(1)
        return [{"weight": jnp.arange(6.0).reshape(2, 3), "bias": jnp.ones(3)}, jnp.zeros(1)]

    key = content_hash("a", {"b": np.ones(2)})
    first, second = cached(key, compute), cached(key, compute)
    assert len(calls) == 1
    np.testing.assert_array_equal(second[0]["weight"], first[0]["weight"])
    np.testing.assert_array_equal(second[0]["bias"], first[0]["bias"])
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz"]


def test_a_broken_entry_is_computed_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("FLATFAST_CACHE", str(tmp_path))
    key = content_hash("x")
    path = tmp_path / f"start-{key}.npz"
    cached(key, lambda: {"w": np.ones(2)})
    whole = path.read_bytes()
    for content in (b"", b"PK not a zip", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.warns(UserWarning, match=rf"{path} cannot be used and is computed anew"):
            assert cached(key, lambda: {"w": np.ones(2)})["w"].sum() == 2
        assert cached(key, lambda: pytest.fail("not cached"))["w"].sum() == 2


@pytest.mark.filterwarnings("ignore:the cached start")
def test_no_flipped_bit_in_an_entry_changes_a_start(tmp_path, monkeypatch):
    monkeypatch.setenv("FLATFAST_CACHE", str(tmp_path))
    start = {"w": np.arange(12.0).reshape(3, 4)}
    cached("k", lambda: start)
    [path] = tmp_path.iterdir()
    whole = path.read_bytes()
    chance = random.Random(0)
    for _ in range(300):
        broken = bytearray(whole)
        broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
        path.write_bytes(broken)
        np.testing.assert_array_equal(cached("k", lambda: start)["w"], start["w"])


def test_writers_of_one_entry_do_not_meet(tmp_path, monkeypatch):
    """Threads have one process number, and so have containers that share a folder."""
    monkeypatch.setattr("os.getpid", lambda: 1)
    with atomically(tmp_path / "x") as one, atomically(tmp_path / "x") as other:
        one.write_text("one")
        other.write_text("other")
    assert (tmp_path / "x").read_text() == "one"
    assert len(list(tmp_path.iterdir())) == 1


def test_an_unwritable_cache_costs_only_time(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("FLATFAST_CACHE", str(blocked))
    with pytest.warns(UserWarning, match="the start cannot be cached"):
        assert cached("k", lambda: {"w": np.ones(2)})["w"].sum() == 2


class Layer(NamedTuple):
    weight: jax.Array
    bias: jax.Array


def test_a_start_comes_back_from_the_cache_in_its_own_structure(tmp_path, monkeypatch):
    monkeypatch.setenv("FLATFAST_CACHE", str(tmp_path))
    init = (Layer(jnp.ones(2), jnp.zeros(1)), [jnp.ones(3)])

    def begin():
        problem = supervised(
            "layers",
            lambda p, x: x @ p[0].weight + p[0].bias,
            init,
            np.eye(2),
            np.array([1.0, 2.0]),
            goal=Goal("loss", 0.5),
        )
        return problem.start()

    made, found = begin(), begin()
    assert len(list(tmp_path.iterdir())) == 1
    assert jax.tree.structure(found) == jax.tree.structure(made) == jax.tree.structure(init)
    for one, other in zip(jax.tree.leaves(made), jax.tree.leaves(found), strict=True):
        np.testing.assert_array_equal(one, other)


def test_hash_sees_content():
    base = content_hash("a", {"w": np.zeros(3)}, 1)
    assert base == content_hash("a", {"w": np.zeros(3)}, 1)
    assert base != content_hash("a", {"w": np.array([0.0, 0.0, 1e-9])}, 1)
    assert base != content_hash("a", {"v": np.zeros(3)}, 1)
    assert base != content_hash("a", {"w": np.zeros(3)}, 2)
