/**
 * T_c over momentum at several learning rates, measured by running SGD: what the page's curves are of.
 */

import { settling, smooth, windows } from "./settling.js";
import { LEAST, Runs } from "./valley.js";

/** The learning rates of the curves, the cheapest first. */
export const RATES = [-2, -2.5, -3, -3.5, -4, -4.5, -5].map((power) => 10 ** power);

/** `(1 - momentum) / lr^(2/3)` over the noise's own scale, in factors of 1.26. */
export const SHARES = Array.from({ length: 13 }, (_, i) => 0.2 * 10 ** (i / 10));

/** What a goal may be: the sharpness over its least. */
export const GOALS = [1.1, 1.25, 1.5];

/** Length of a run, in units of {@link unit}. */
export const LENGTH = 22;

const RECORDS = 160;

/**
 * The noise's scale of C, `(noise^2 / batch)^(1/3)`: curves over C / scale do not depend on the noise.
 *
 * @param {number} noise
 * @param {number} batch
 */
export function scale(noise, batch) {
  return Math.cbrt(noise ** 2 / batch);
}

/**
 * The unit of time that goes with it, in steps.
 *
 * @param {number} lr
 * @param {number} noise
 * @param {number} batch
 */
export function unit(lr, noise, batch) {
  return lr ** (-2 / 3) / scale(noise, batch);
}

/**
 * The steps to each goal of runs at one learning rate and momentum.
 *
 * @param {{lr: number, mu: number, noise: number, batch: number}} at
 * @param {{runs: number, steps: number, records: number, seed: number}} size
 * @param {number[]} goals Sharpness over its least.
 * @returns {number[][]} Of each goal, each run; infinite where a run does not end in its goal.
 */
export function convergence(at, size, goals) {
  const runs = new Runs(size.runs, size.seed);
  const noise = at.noise / Math.sqrt(at.batch);
  // Records evenly spaced over the run; short runs have fewer steps than records.
  const marks = Array.from({ length: size.records }, (_, i) =>
    Math.round((i * size.steps) / (size.records - 1)),
  );
  const steps = [...new Set(marks)];
  const history = Array.from({ length: size.runs }, () => new Float64Array(steps.length));
  const now = new Float64Array(size.runs);
  steps.forEach((step, record) => {
    runs.advance(step - runs.step, at.lr, at.mu, noise);
    runs.sharpness(now);
    for (let run = 0; run < size.runs; run++) history[run][record] = now[run];
  });
  const window = windows(steps, at.mu);
  const smoothed = new Float64Array(steps.length);
  const times = goals.map(() => new Array(size.runs).fill(Infinity));
  history.forEach((values, run) => {
    smooth(steps, values, window, smoothed);
    goals.forEach((goal, i) => (times[i][run] = settling(steps, smoothed, goal * LEAST)));
  });
  return times;
}

/**
 * The times at one learning rate, over all momenta.
 *
 * @param {number} lr
 * @param {number} noise
 * @param {number} batch
 * @param {number} runs
 * @param {number} seed
 * @returns {number[][][]} Of each goal, of each of {@link SHARES}, each run.
 */
export function curve(lr, noise, batch, runs, seed) {
  const steps = Math.ceil(LENGTH * unit(lr, noise, batch));
  const all = SHARES.map((share, i) => {
    const mu = share * scale(noise, batch) * lr ** (2 / 3);
    return convergence(
      { lr, mu, noise, batch },
      { runs, steps, records: RECORDS, seed: seed * SHARES.length + i },
      GOALS,
    );
  });
  return GOALS.map((_, goal) => all.map((times) => times[goal]));
}
