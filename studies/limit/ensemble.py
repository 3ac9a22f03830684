"""Readings of many runs, summed up and kept."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flatfast.lab.atomic import atomically

Array = NDArray[np.float64]


class Ensemble(NamedTuple):
    """Readings of many runs, summed up.

    Attributes:
        C: Prefactors, (N,).
        mean: (N, F), for N prefactors and F readings: times by observables.
        covariance: (N, F, F), of one run.
        runs: (N,), those that stayed finite.
        lost: (N,), those that did not, which the mean leaves out.
    """

    C: Array
    mean: Array
    covariance: Array
    runs: NDArray[np.int64]
    lost: NDArray[np.int64]


def summed_up(C: ArrayLike, readings: ArrayLike) -> Ensemble:
    """An ensemble from readings (N, R, F) of R runs for each prefactor (N,)."""
    means, covariances, counts, lost = [], [], [], []
    for found in np.asarray(readings, np.float64):
        finite = np.isfinite(found).all(axis=1)
        kept = found[finite]
        means.append(kept.mean(axis=0) if len(kept) else np.full(found.shape[1], np.nan))
        covariances.append(
            np.cov(kept, rowvar=False).reshape(found.shape[1], -1)
            if len(kept) > 1
            else np.full((found.shape[1],) * 2, np.nan)
        )
        counts.append(len(kept))
        lost.append(len(found) - len(kept))
    told = (means, covariances, counts, lost)
    return Ensemble(np.asarray(C, np.float64), *(np.array(values) for values in told))


def without_errors(C: ArrayLike, mean: Array) -> Ensemble:
    """An ensemble from the readings (N, F) of one exact path for each prefactor (N,)."""
    ones = np.ones(len(mean), np.int64)
    covariance = np.zeros((*mean.shape, mean.shape[1]))
    return Ensemble(np.asarray(C, np.float64), mean, covariance, ones, 0 * ones)


def path_of(folder: Path, name: str) -> Path:
    """Where a part is kept in a folder of runs."""
    return folder / "parts" / f"{name}.npz"


def keep(folder: Path, name: str, found: Ensemble) -> None:
    """Keep a part."""
    path = path_of(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomically(path) as partial, partial.open("wb") as file:
        np.savez(file, **found._asdict())


def kept(folder: Path, name: str) -> Ensemble | None:
    """A part, or None where there is none yet."""
    path = path_of(folder, name)
    if not path.exists():
        return None
    with np.load(path) as found:
        return Ensemble(*(found[field] for field in Ensemble._fields))


def kept_by_lr(folder: Path, beginning: str) -> dict[float, Ensemble]:
    """Parts whose names are a beginning and a learning rate, by falling learning rate."""
    names = [path.stem for path in path_of(folder, "").parent.glob(f"{beginning}.*.npz")]
    lrs = {float(name.removeprefix(f"{beginning}.")): name for name in names}
    found = {lr: kept(folder, lrs[lr]) for lr in sorted(lrs, reverse=True)}
    return {lr: ensemble for lr, ensemble in found.items() if ensemble is not None}
