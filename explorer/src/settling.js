/**
 * T_c, the steps to the goal, as the lab counts them: the first step after which the smoothed
 * sharpness stays at or below the goal to the end of the run.
 *
 * See `flatfast.lab.estimation.convergence` and `.smoothing`, whose rules these are for one momentum.
 */

/**
 * The window of records over which each is averaged: half a memory of the momentum to either side,
 * narrower towards the start so that it stays centred.
 *
 * @param {ArrayLike<number>} steps Of the records, ascending.
 * @param {number} mu 1 - momentum.
 * @returns {{first: Int32Array, after: Int32Array}}
 */
export function windows(steps, mu) {
  const count = steps.length;
  const first = new Int32Array(count);
  const after = new Int32Array(count);
  const widest = (0.5 / mu) * (1 + 1e-9);
  let low = 0;
  let high = 0;
  for (let i = 0; i < count; i++) {
    const half = Math.min(widest, steps[i] - steps[0]);
    // Both edges move on as i does: so does steps[i] - half, and steps[i] + half.
    while (steps[low] < steps[i] - half) low++;
    while (high < count && steps[high] <= steps[i] + half) high++;
    first[i] = low;
    after[i] = high;
  }
  return { first, after };
}

/**
 * The centred moving average of one run's records, each counting for the steps around it.
 *
 * @param {ArrayLike<number>} steps Of the records, ascending.
 * @param {ArrayLike<number>} values The sharpness at them.
 * @param {{first: Int32Array, after: Int32Array}} window Of {@link windows}.
 * @param {Float64Array} into Of as many numbers as there are records.
 */
export function smooth(steps, values, window, into) {
  const last = steps.length - 1;
  for (let record = 0; record <= last; record++) {
    const first = window.first[record];
    const after = window.after[record];
    if (after - first <= 1) {
      into[record] = values[record];
      continue;
    }
    let sum = 0;
    let weight = 0;
    for (let i = first; i < after; i++) {
      const span = steps[i < last ? i + 1 : last] - steps[i > 0 ? i - 1 : 0];
      sum += span * values[i];
      weight += span;
    }
    into[record] = sum / weight;
  }
}

/**
 * The steps to the goal of one run.
 *
 * @param {ArrayLike<number>} steps Of the records, ascending.
 * @param {ArrayLike<number>} smoothed Of {@link smooth}.
 * @param {number} goal The sharpness to come down to, below that of the start.
 * @returns {number} Interpolated between records; infinite if the run does not end in its goal.
 */
export function settling(steps, smoothed, goal) {
  const end = steps.length - 1;
  for (let i = end; i >= 0; i--) {
    const before = smoothed[i];
    if (before <= goal) continue; // not "above": what is not a number is no arrival
    if (i === end) return Infinity;
    const behind = smoothed[i + 1];
    // Towards its goal the sharpness decays by a factor per step.
    const share = Number.isFinite(before) ? Math.log(before / goal) / Math.log(before / behind) : 1;
    return steps[i] + share * (steps[i + 1] - steps[i]);
  }
  return steps[0];
}
