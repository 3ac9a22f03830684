/**
 * Answers calls of the page's own functions, for tests in another language: a JSON list of
 * `[name, ...arguments]` on standard input, the list of results on standard output.
 *
 * What is not finite is written as a word, `Infinity` or `NaN`.
 */

import { readFileSync } from "node:fs";
import { meeting } from "./src/charts.js";
import { settling, smooth, windows } from "./src/settling.js";
import { optimum } from "./src/statistics.js";
import * as sweep from "./src/sweep.js";
import * as timescales from "./src/timescales.js";
import { flowTime, Runs, sharpness } from "./src/valley.js";

const known = {
  ...timescales,
  ...sweep,
  meeting,
  flowTime,
  sharpness,
  optimum,

  /** The steps to the goal of one run's records. */
  settled(/** @type {number[]} */ steps, /** @type {number[]} */ values, /** @type {number} */ mu, /** @type {number} */ goal) {
    const smoothed = new Float64Array(steps.length);
    smooth(steps, values, windows(steps, mu), smoothed);
    return settling(steps, smoothed, goal);
  },

  /** Where a run without noise comes to from a point. */
  descended(/** @type {number[]} */ [u, v], /** @type {number} */ steps, /** @type {number} */ lr, /** @type {number} */ mu) {
    const runs = new Runs(1, 0);
    runs.u[0] = u;
    runs.v[0] = v;
    runs.advance(steps, lr, mu, 0);
    return [runs.u[0], runs.v[0]];
  },
};

/** @type {[keyof typeof known, ...any[]][]} */
const calls = JSON.parse(readFileSync(0, "utf8"));
const answers = calls.map(([name, ...given]) => {
  const value = known[name];
  return typeof value === "function" ? /** @type {Function} */ (value)(...given) : value;
});
const words = (/** @type {string} */ _, /** @type {unknown} */ value) =>
  typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
process.stdout.write(JSON.stringify(answers, words));
