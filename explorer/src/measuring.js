/** The sweep behind the charts, kept out of the picture's way: in a worker where there is one. */

import { medianInterval, geometricMean, exponent, optimum } from "./statistics.js";
import { curve, GOALS, RATES, scale, SHARES } from "./sweep.js";

/** Runs at each momentum, in rounds: curves are soon there, and get better. */
const ROUND = 64;
const ROUNDS = 3;

/** @typedef {{noise: number, batch: number}} Noise */
/**
 * @typedef {object} News
 * @property {number} done The share of the sweep that is measured.
 * @property {number} rate The learning rate whose curves are new, as its place among the rates.
 * @property {Curve[]} curves Of that rate, one of each goal.
 */
/** @typedef {import("./charts.js").Curve} Curve */

/**
 * Measure, a learning rate at a time: all of them with few runs, then again with more. The same noise
 * gives the same numbers.
 *
 * @param {Noise} at
 * @returns {Generator<News, void, void>}
 */
export function* measure({ noise, batch }) {
  /** @type {number[][][][]} Of each rate, of each goal, of each share, the runs. */
  const times = RATES.map(() => GOALS.map(() => SHARES.map(() => [])));
  for (let round = 0; round < ROUNDS; round++) {
    for (let rate = 0; rate < RATES.length; rate++) {
      const lr = RATES[rate];
      const more = curve(lr, noise, batch, ROUND, 1 + round * RATES.length + rate);
      const mus = SHARES.map((share) => share * scale(noise, batch) * lr ** (2 / 3));
      const curves = times[rate].map((shares, goal) => {
        shares.forEach((runs, share) => runs.push(...more[goal][share]));
        const points = mus.map((mu, i) => ({ mu, time: medianInterval(shares[i]) }));
        return { lr, points, optimum: optimum(mus, shares) };
      });
      yield { done: (round * RATES.length + rate + 1) / (ROUNDS * RATES.length), rate, curves };
    }
  }
}

/**
 * What the optima of curves say: C at the exponent 2/3, the time of the fastest, the exponent left free.
 *
 * @param {Curve[]} curves
 */
export function fitted(curves) {
  const best = curves.flatMap(({ lr, optimum }) => (optimum ? [{ lr, ...optimum }] : []));
  if (best.length < 3) return null;
  const C = geometricMean(best.map(({ lr, at }) => at.value / lr ** (2 / 3)));
  const time = geometricMean(best.map(({ lr, time }) => time * lr ** (2 / 3))).value;
  const power = exponent(best.map(({ lr }) => lr), best.map(({ at }) => at.value));
  return { C, time, exponent: power, rates: best.length };
}
