/** The charts: the two times, the sharpness of the runs, the steps to the goal, and their collapse. */

import { Chart } from "./chart.js";
import { RANGES } from "./settings.js";
import { RATES, scale, unit } from "./sweep.js";
import { tau1, tau2 } from "./timescales.js";
import { flowTime, LEAST, STEEPEST } from "./valley.js";
import { LR_POWER_DRAWN } from "./words.js";

/** @typedef {import("./statistics.js").Interval} Interval */

/**
 * What has been measured at a learning rate.
 *
 * @typedef {object} Curve
 * @property {number} lr
 * @property {{mu: number, time: Interval}[]} points
 * @property {{at: Interval, time: number} | null} optimum In 1 - momentum and steps.
 */

/**
 * What the charts tell of now.
 *
 * @typedef {object} Now
 * @property {number} lr
 * @property {number} mu
 * @property {number} noise
 * @property {number} batch
 * @property {number} lawMu 1 - momentum of the law at this learning rate.
 * @property {Interval | null} time T_c of the runs in the picture, if they have arrived.
 */

/** @typedef {{width: number, height: number}} Size */

/**
 * 1 - momentum at which the time across equals the time along, for exact times.
 *
 * @param {number} lr
 * @param {number} noise
 * @param {number} batch
 * @returns {number} At most 1, where they need not be equal.
 */
export function meeting(lr, noise, batch) {
  const flow = flowTime();
  let low = 1e-9;
  let high = 1;
  for (let i = 0; i < 80; i++) {
    const middle = Math.sqrt(low * high);
    if (tau2(lr, middle, flow, noise, batch) < tau1(lr, middle, STEEPEST)) low = middle;
    else high = middle;
  }
  return Math.sqrt(low * high);
}

/**
 * tau_1 and tau_2 over momentum, where they meet, and the momentum that is set.
 *
 * @param {Now} now
 * @param {Size} size
 */
export function timesChart(now, size) {
  const [from, to] = RANGES.mu;
  const across = { from, to, falling: true, asMomentum: true, label: "momentum →" };
  const chart = new Chart("times", size.width, size.height, across, { from: 1, to: 1e7, label: "steps" });
  const at = Array.from({ length: 121 }, (_, i) => from * (to / from) ** (i / 120));
  const flow = flowTime();
  const slide = (/** @type {number} */ mu) => tau2(now.lr, mu, flow, now.noise, now.batch);
  const swing = (/** @type {number} */ mu) => tau1(now.lr, mu, STEEPEST);
  chart.vertical(now.mu, 'class="now"');
  chart.line(at.map((mu) => [mu, slide(mu)]), 'class="along"');
  chart.line(at.map((mu) => [mu, swing(mu)]), 'class="across"');
  const met = meeting(now.lr, now.noise, now.batch);
  chart.dot(met, swing(met), 6, 'class="met"');
  chart.dot(now.mu, slide(now.mu), 4, 'class="along-dot"');
  chart.dot(now.mu, swing(now.mu), 4, 'class="across-dot"');
  // Each name where its curve has room above or below it.
  const early = to / 3;
  chart.text(early, slide(early), "slide along", 'class="name along-name"', { dx: 8, dy: -8 });
  const late = from * 6;
  chart.text(late, swing(late), "swings across", 'class="name across-name"', { dy: -10, anchor: "middle" });
  chart.text(met, swing(met), "they meet", 'class="name"', { dx: 10, dy: 16 });
  return chart.toString();
}

/**
 * The sharpness of the runs in the picture over steps, down to the goal.
 *
 * @param {{steps: number[], low: number[], middle: number[], high: number[]}} spread
 * @param {number} goal Sharpness over its least.
 * @param {number} length Steps that are shown at least.
 * @param {Size} size
 */
export function sharpnessChart(spread, goal, length, size) {
  const now = spread.steps[spread.steps.length - 1];
  const across = { from: 0, to: Math.max(length, now), linear: true, label: "steps" };
  const up = { from: 1.5, to: 8, linear: true, label: "sharpness" };
  const chart = new Chart("sharpness", size.width, size.height, across, up);
  const { steps } = spread;
  const edge = [...steps.keys()].map((i) => /** @type {[number, number]} */ ([steps[i], spread.high[i]]));
  const back = [...steps.keys()].reverse().map((i) => /** @type {[number, number]} */ ([steps[i], spread.low[i]]));
  chart.line([...edge, ...back], 'class="spread"');
  chart.line(steps.map((step, i) => [step, spread.middle[i]]), 'class="middle"');
  chart.horizontal(goal * LEAST, 'class="goal-line"');
  chart.text(across.to, goal * LEAST, "goal", 'class="name goal-name"', { dy: -6, anchor: "end" });
  return chart.toString();
}

/**
 * The steps to the goal over momentum, at several learning rates.
 *
 * @param {Curve[]} curves
 * @param {number | null} time Of the fastest, in lr^(-2/3) steps; null while it is not known.
 * @param {Now} now
 * @param {Size} size
 */
export function goalChart(curves, time, now, size) {
  const own = scale(now.noise, now.batch);
  const [slowest, fastest] = [RATES[RATES.length - 1], RATES[0]];
  const across = {
    from: Math.max(1e-6, 0.15 * own * slowest ** (2 / 3)),
    to: Math.min(1, 4 * own * fastest ** (2 / 3)),
    falling: true,
    asMomentum: true,
    label: "momentum →",
  };
  const up = {
    from: 2.2 * unit(fastest, now.noise, now.batch),
    to: 26 * unit(slowest, now.noise, now.batch),
    label: "steps to the goal",
  };
  const chart = new Chart("goal", size.width, size.height, across, up);
  const C = now.lawMu / now.lr ** (2 / 3);
  if (time) {
    const path = [slowest / 10, fastest * 10].map((lr) => {
      const power = lr ** (2 / 3);
      return /** @type {[number, number]} */ ([C * power, time / power]);
    });
    chart.line(path, 'class="law"');
    const place = across.from * (across.to / across.from) ** 0.3;
    chart.text(place, (time * C) / place, "the law", 'class="name law-name"', { dx: 14, dy: 26 });
  }
  drawCurves(chart, curves, (lr, mu) => mu, (lr, time) => time);
  drawNow(chart, now, now.mu, (time) => time);
  return chart.toString();
}

/**
 * The same times, in units of the law.
 *
 * @param {Curve[]} curves
 * @param {Now} now
 * @param {Size} size
 */
export function collapseChart(curves, now, size) {
  const own = scale(now.noise, now.batch);
  const across = {
    from: 0.15 * own,
    to: 4 * own,
    falling: true,
    label: `← (1 − momentum) / ${LR_POWER_DRAWN}`,
  };
  const up = { from: 2.2 / own, to: 26 / own, label: `steps to the goal × ${LR_POWER_DRAWN}` };
  const chart = new Chart("collapse", size.width, size.height, across, up);
  const C = now.lawMu / now.lr ** (2 / 3);
  chart.vertical(C, 'class="law"');
  chart.text(C, up.to, "C of the law", 'class="name law-name"', { dx: 14, dy: 4 });
  drawCurves(chart, curves, (lr, mu) => mu / lr ** (2 / 3), (lr, time) => time * lr ** (2 / 3));
  drawNow(chart, now, now.mu / now.lr ** (2 / 3), (time) => time * now.lr ** (2 / 3));
  return chart.toString();
}

/**
 * @param {Chart} chart
 * @param {Curve[]} curves
 * @param {(lr: number, mu: number) => number} x
 * @param {(lr: number, time: number) => number} y
 */
function drawCurves(chart, curves, x, y) {
  curves.forEach(({ lr, points, optimum }) => {
    const colour = `style="--rate:var(--lr${RATES.indexOf(lr)})"`;
    const middle = points.map(({ mu, time }) => /** @type {[number, number]} */ ([x(lr, mu), y(lr, time.value)]));
    for (const { mu, time } of points) {
      const at = x(lr, mu);
      // Where more than half of the runs may not arrive the interval has no end.
      const [high, style] = Number.isFinite(time.high) ? [y(lr, time.high), "error"] : [chart.up.to, "error open"];
      chart.line([[at, y(lr, time.low)], [at, high]], `class="${style}" ${colour}`);
    }
    chart.line(middle, `class="rate" ${colour}`);
    if (optimum) {
      const height = y(lr, optimum.time);
      const { low, high, value } = optimum.at;
      chart.line([[x(lr, low), height], [x(lr, high), height]], 'class="range"');
      chart.dot(x(lr, value), height, 4.5, `class="best" ${colour}`);
    }
  });
}

/**
 * @param {Chart} chart
 * @param {Now} now
 * @param {number} x
 * @param {(time: number) => number} y
 */
function drawNow(chart, now, x, y) {
  chart.vertical(x, 'class="now"');
  if (!now.time || !Number.isFinite(now.time.value)) return;
  const high = Number.isFinite(now.time.high) ? y(now.time.high) : chart.up.to;
  chart.line([[x, y(now.time.low)], [x, high]], 'class="now-range"');
  chart.dot(x, y(now.time.value), 5.5, 'class="now-dot"');
}
