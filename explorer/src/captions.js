/** What the page says of its pictures, for those who see them and those who hear them. */

import { meeting } from "./charts.js";
import { tau1, tau2 } from "./timescales.js";
import { flowTime, STEEPEST } from "./valley.js";
import { LR_POWER, momentum, short, steps } from "./words.js";

/** @typedef {import("./charts.js").Now} Now */
/** @typedef {import("./statistics.js").Interval} Interval */

/**
 * A number with its interval.
 *
 * @param {Interval} interval
 * @param {(value: number) => string} [write]
 */
export function interval({ value, low, high }, write = (number) => short(number, 2)) {
  return `${write(value)} (${write(low)} to ${write(high)})`;
}

/**
 * The answer: what momentum should be.
 *
 * @param {Now} now
 * @param {number} C
 * @returns {string} With the answer's own mark-up.
 */
export function answer(now, C) {
  return `At learning rate ${short(now.lr)}, momentum should be <em>${momentum(now.lawMu)}</em>: <em class="formula">1 − momentum = ${short(C, 2)} · ${LR_POWER}</em>`;
}

/**
 * What the momentum that is set does, beside the law's.
 *
 * @param {Now} now
 * @param {number} goal Sharpness over its least.
 */
export function lead(now, goal) {
  const ratio = now.mu / now.lawMu;
  const why =
    ratio > 1.5
      ? `The ${momentum(now.mu)} that is set is too little: the slide to the flat minimum is slow.`
      : ratio < 1 / 1.5
        ? `The ${momentum(now.mu)} that is set is too much: the weights swing for long before they stay.`
        : "With less, the slide to the flat minimum is slower; with more, the weights swing for longer before they stay.";
  return `${why} This is for training with noise on its labels, here of ${short(now.noise, 2)}, and a goal within ${Math.round(100 * (goal - 1))}% of the flattest minimum's sharpness.`;
}

/**
 * @param {{step: number, within: number, lost: number, runs: number, time: Interval | null}} found
 * @param {number} goal Sharpness over its least.
 */
export function status({ step, within, lost, runs, time }, goal) {
  const there = runs === 1 ? (within ? "The run is" : "The run is not") : `${within} of ${runs} runs are`;
  const where = `${there} within ${Math.round(100 * (goal - 1))}% of the flattest minimum.`;
  const gone = lost ? ` ${lost} diverged.` : "";
  let took = "";
  if (time && Number.isFinite(time.value)) {
    const written = runs > 5 && Number.isFinite(time.high) ? interval(time, steps) : steps(time.value);
    took = ` They stayed there from step ${written} on${runs > 1 ? " in the median" : ""}.`;
    if (runs === 1) took = took.replace("They", "It");
  }
  return `Step ${steps(step)}. ${where}${gone}${took}`;
}

/** @param {Now} now */
export function times(now) {
  const across = tau1(now.lr, now.mu, STEEPEST);
  const along = tau2(now.lr, now.mu, flowTime(), now.noise, now.batch);
  const met = meeting(now.lr, now.noise, now.batch);
  return `At momentum ${momentum(now.mu)} swings across the valley die out in τ₁ = ${steps(across)} steps, and the slide along it takes τ₂ = ${steps(along)}. They are equal at ${momentum(met)}. More momentum makes swings last; the slide, faster. The fastest momentum is near the crossing, a little higher: a goal forgives some swinging.`;
}

/**
 * @param {ReturnType<typeof import("./measuring.js").fitted>} fit
 * @param {number} done Share of the sweep.
 */
export function goal(fit, done) {
  const what = "Each curve is a learning rate: medians over runs of SGD, made by this page as you read. Dots are the fastest momentum; the circle, the runs in the picture.";
  const power = fit ? ` The dots' 1 − momentum goes as lr to the ${interval(fit.exponent)}; the law's line, as lr to the 2/3.` : "";
  return what + power + (done < 1 ? ` Measured: ${Math.round(100 * done)}%.` : "");
}

/**
 * @param {ReturnType<typeof import("./measuring.js").fitted>} fit
 * @param {number} C Of the law.
 */
export function collapse(fit, C) {
  const found = fit ? ` The dots share C = ${interval(fit.C)}; the law's here is ${short(C, 2)}.` : "";
  return `The same curves, with momentum and steps in the law's units: near their optimum they fall on one.${found} Large learning rates leave it where momentum is high.`;
}
