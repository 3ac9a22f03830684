/** Medians, lines and parabolas, with intervals of 95%. */

import { Random } from "./random.js";

/** Two-sided 95% of Student's t, by degrees of freedom from 1. */
const STUDENT = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];

/** @typedef {{value: number, low: number, high: number}} Interval */

/** @param {ArrayLike<number>} values Infinite ones count: they lie beyond the others. */
export function median(values) {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * The median with an interval from order statistics: no shape is assumed, censored values may lie at
 * the end.
 *
 * @param {ArrayLike<number>} values
 * @returns {Interval}
 */
export function medianInterval(values) {
  const sorted = Float64Array.from(values).sort();
  const count = sorted.length;
  const reach = 0.98 * Math.sqrt(count); // 1.96 standard deviations of a binomial's count
  const low = Math.max(0, Math.floor(count / 2 - reach));
  const high = Math.min(count - 1, Math.ceil(count / 2 + reach));
  return { value: median(sorted), low: sorted[low], high: sorted[high] };
}

/**
 * Least squares with powers of x, by the normal equations; x should be centred.
 *
 * @param {number[]} x
 * @param {number[]} y
 * @param {number} degree
 * @returns {number[]} Coefficients, of 1 first.
 */
export function polynomial(x, y, degree) {
  const size = degree + 1;
  const rows = Array.from({ length: size }, (_, i) => [
    ...Array.from({ length: size }, (_, j) => x.reduce((sum, at) => sum + at ** (i + j), 0)),
    x.reduce((sum, at, k) => sum + at ** i * y[k], 0),
  ]);
  for (let i = 0; i < size; i++) {
    let pivot = i;
    for (let k = i; k < size; k++) if (Math.abs(rows[k][i]) > Math.abs(rows[pivot][i])) pivot = k;
    [rows[i], rows[pivot]] = [rows[pivot], rows[i]];
    for (let k = 0; k < size; k++) {
      if (k === i) continue;
      const factor = rows[k][i] / rows[i][i];
      for (let j = i; j <= size; j++) rows[k][j] -= factor * rows[i][j];
    }
  }
  return rows.map((row, i) => row[size] / row[i]);
}

/** Times within this factor of the least are fitted: further out the curve is no cubic. */
const NEAR = 2;

/**
 * Where a curve of times is least, by a cubic in logarithms.
 *
 * @param {number[]} at Where they were measured, ascending and positive.
 * @param {number[]} times Infinite where there is none.
 * @returns {{at: number, time: number} | null} Null where the least is at an end of what was
 *   measured, which would be a bound and no optimum, or too few times are near it.
 */
export function lowest(at, times) {
  const least = times.indexOf(Math.min(...times));
  if (!Number.isFinite(times[least])) return null;
  let first = least;
  let last = least;
  while (first > 0 && times[first - 1] < NEAR * times[least]) first--;
  while (last < at.length - 1 && times[last + 1] < NEAR * times[least]) last++;
  if (last - first < 4) return null;
  const centre = (Math.log(at[first]) + Math.log(at[last])) / 2;
  const x = at.slice(first, last + 1).map((a) => Math.log(a) - centre);
  const y = times.slice(first, last + 1).map(Math.log);
  const [level, slope, bend, skew] = polynomial(x, y, 3);
  const inner = bend ** 2 - 3 * skew * slope;
  if (!(inner > 0) || (bend <= 0 && Math.abs(skew) < 1e-12)) return null;
  // The root of the derivative at which the curve bends upwards, without cancellation.
  const root = bend > 0 ? -slope / (bend + Math.sqrt(inner)) : (Math.sqrt(inner) - bend) / (3 * skew);
  if (!(root > x[0] && root < x[x.length - 1])) return null;
  const time = level + root * (slope + root * (bend + root * skew));
  return { at: Math.exp(centre + root), time: Math.exp(time) };
}

/**
 * The optimum of median times, with an interval by resampling the runs.
 *
 * @param {number[]} at
 * @param {number[][]} times Of the runs at each.
 * @param {number} [resamples]
 * @returns {{at: Interval, time: number} | null} Null where there is no optimum, or none in more than
 *   a tenth of the resamples: then it is at an end, or lost in noise.
 */
export function optimum(at, times, resamples = 100) {
  const found = lowest(at, times.map(median));
  if (!found) return null;
  const random = new Random(at.length);
  /** @type {number[]} */
  const places = [];
  for (let i = 0; i < resamples; i++) {
    const again = times.map((runs) =>
      median(Float64Array.from(runs, () => runs[Math.floor(random.uniform() * runs.length)])),
    );
    const other = lowest(at, again);
    if (other) places.push(other.at);
  }
  if (places.length < 0.9 * resamples) return null;
  places.sort((a, b) => a - b);
  const share = (/** @type {number} */ q) => places[Math.round(q * (places.length - 1))];
  return { at: { value: found.at, low: share(0.025), high: share(0.975) }, time: found.time };
}

/**
 * The geometric mean of numbers and its Student's interval.
 *
 * @param {number[]} values Positive, at least two.
 * @returns {Interval}
 */
export function geometricMean(values) {
  const logs = values.map(Math.log);
  const mean = logs.reduce((a, b) => a + b, 0) / logs.length;
  const square = logs.reduce((sum, log) => sum + (log - mean) ** 2, 0);
  const reach = student(logs.length - 1) * Math.sqrt(square / (logs.length - 1) / logs.length);
  return { value: Math.exp(mean), low: Math.exp(mean - reach), high: Math.exp(mean + reach) };
}

/**
 * The exponent of a power law and its Student's interval.
 *
 * @param {number[]} x Positive.
 * @param {number[]} y Positive, at least three.
 * @returns {Interval}
 */
export function exponent(x, y) {
  const logX = x.map(Math.log);
  const centre = logX.reduce((a, b) => a + b, 0) / x.length;
  const at = logX.map((value) => value - centre);
  const logY = y.map(Math.log);
  const [level, slope] = polynomial(at, logY, 1);
  const square = at.reduce((sum, a, i) => sum + (logY[i] - level - slope * a) ** 2, 0);
  const spread = at.reduce((sum, a) => sum + a * a, 0);
  const reach = student(x.length - 2) * Math.sqrt(square / (x.length - 2) / spread);
  return { value: slope, low: slope - reach, high: slope + reach };
}

/** @param {number} freedom */
function student(freedom) {
  return STUDENT[Math.min(freedom, STUDENT.length) - 1];
}
