"""Two-branch fits of T_c against mu: one branch falls with mu, the other grows.

Left of the optimum the transverse modes are slow, ``T ~ mu**-1``; right of it the drift is slow,
``T ~ mu**2`` (arXiv 2210.16400, section 3). Their sum is the simplest curve with both, fitted in
log T by Levenberg-Marquardt, all learning rates and bootstrap replicates at once.
"""

import numpy as np

from flatfast.lab.estimation.arrays import Flags, Floats
from flatfast.lab.estimation.local_fit import Minimum, pilot

_ITERATIONS = 60
_CONVERGED = 1e-6
_EXPONENTS = (0.1, 8.0)


def branch_minimum(
    log_mu: Floats, log_time: Floats, log_limit: Floats, *, free_exponents: bool
) -> Minimum:
    """Minima of ``a mu**-p + b mu**q``, with (p, q) = (1, 2) or fitted at each learning rate.

    Takes and returns arrays as :func:`flatfast.lab.estimation.local_fit.local_minimum`; censored
    cells enter one-sidedly as they do there. ``free_exponents``: whether p and q are fitted,
    between 0.1 and 8.
    """
    replicates, rates, cells = log_time.shape
    rows = replicates * rates
    start, filled = pilot(log_time, log_limit)
    begin = log_mu[start].reshape(rows, 1)
    least = np.take_along_axis(filled, start[..., None], axis=-1).reshape(rows)
    offset = log_mu - begin
    finite = np.isfinite(log_time).reshape(rows, cells)
    present = ~np.isnan(log_time).reshape(rows, cells)
    value = filled.reshape(rows, cells)
    limit = np.broadcast_to(log_limit, (replicates, rates)).reshape(rows, 1)

    size = 4 if free_exponents else 2
    # Parameters: log a, log b (at the start's mu), log p, log q. The branches of 1/mu + mu**2/2
    # have two thirds and one third of the minimum.
    state = np.stack(
        [least + np.log(2 / 3), least + np.log(1 / 3), np.zeros(rows), np.full(rows, np.log(2.0))],
        axis=1,
    )
    bounds = np.log(_EXPONENTS)
    damping = np.full(rows, 1e-3)
    residual, jacobian = _linearised(state, offset, value, finite, present, limit)
    going = np.arange(rows)
    for _ in range(_ITERATIONS):
        slopes, misfit = jacobian[..., :size], residual
        gram = np.einsum("kmi,kmj->kij", slopes, slopes)
        gradient = np.einsum("kmi,km->ki", slopes, misfit)
        scale = np.einsum("kii->ki", gram) + 1e-6
        gram += (damping[going, None] * scale)[:, :, None] * np.eye(size)
        step = np.clip(np.linalg.solve(gram, gradient[..., None])[..., 0], -1.0, 1.0)
        trial = state[going]
        trial[:, :size] += step
        trial[:, 2:] = np.clip(trial[:, 2:], *bounds)
        new_residual, new_jacobian = _linearised(
            trial, offset[going], value[going], finite[going], present[going], limit[going]
        )
        better = np.sum(new_residual**2, axis=1) <= np.sum(residual**2, axis=1)
        state[going] = np.where(better[:, None], trial, state[going])
        residual = np.where(better[:, None], new_residual, residual)
        jacobian = np.where(better[:, None, None], new_jacobian, jacobian)
        damping[going] = np.clip(
            np.where(better, 0.3 * damping[going], 5.0 * damping[going]), 1e-9, 1e6
        )
        # A small step that was taken ends the search; one that was refused shortens the next.
        unsettled = ~(better & (np.max(np.abs(step), axis=1) < _CONVERGED))
        going, residual, jacobian = going[unsettled], residual[unsettled], jacobian[unsettled]
        if not len(going):
            break

    falling, growing = np.exp(state[:, 2]), np.exp(state[:, 3])
    best = (state[:, 0] - state[:, 1] + np.log(falling / growing)) / (falling + growing)
    time = np.logaddexp(state[:, 0] - falling * best, state[:, 1] + growing * best)
    known = finite.any(axis=1)
    place = np.clip(begin[:, 0] + best, log_mu[0], log_mu[-1])
    shape = (replicates, rates)
    return Minimum(
        np.where(known, place, np.nan).reshape(shape), np.where(known, time, np.nan).reshape(shape)
    )


def _linearised(
    state: Floats, offset: Floats, value: Floats, finite: Flags, present: Flags, limit: Floats
) -> tuple[Floats, Floats]:
    """Residuals (K, M) and their slopes (K, M, 4) in the parameters (sign of the curve)."""
    falling, growing = np.exp(state[:, 2:3]), np.exp(state[:, 3:4])
    left = state[:, 0:1] - falling * offset
    right = state[:, 1:2] + growing * offset
    curve = np.logaddexp(left, right)
    share = np.exp(left - curve)
    active = present & (finite | (curve < limit))
    residual = np.where(active, value - curve, 0.0)
    slopes = np.stack(
        [share, 1.0 - share, -share * falling * offset, (1.0 - share) * growing * offset], axis=-1
    )
    return residual, slopes * active[..., None]
