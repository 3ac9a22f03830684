"""Noise-free descent: phase 1, its refusals, and the cache."""

import jax.numpy as jnp
import numpy as np
import pytest

from flatfast.lab.cache import cached, content_hash
from flatfast.lab.descent import Descent, NotInterpolatingError, descend, interpolate


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
    (tmp_path / f"start-{key}.npz").write_bytes(b"PK not a zip")
    assert cached(key, lambda: {"w": np.ones(2)})["w"].sum() == 2
    assert cached(key, lambda: pytest.fail("not cached"))["w"].sum() == 2


def test_an_unwritable_cache_costs_only_time(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("FLATFAST_CACHE", str(blocked))
    assert cached("k", lambda: {"w": np.ones(2)})["w"].sum() == 2


def test_hash_sees_content():
    base = content_hash("a", {"w": np.zeros(3)}, 1)
    assert base == content_hash("a", {"w": np.zeros(3)}, 1)
    assert base != content_hash("a", {"w": np.array([0.0, 0.0, 1e-9])}, 1)
    assert base != content_hash("a", {"v": np.zeros(3)}, 1)
    assert base != content_hash("a", {"w": np.zeros(3)}, 2)
