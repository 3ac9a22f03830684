import assert from "node:assert/strict";
import { test } from "node:test";
import { Live } from "../src/live.js";
import { convergence, unit } from "../src/sweep.js";
import { FLATTEST, Runs, sharpness, START, STEEPEST } from "../src/valley.js";

const LR = 1e-3;
const AT = { lr: LR, mu: 0.6 * LR ** (2 / 3), noise: 0.5, batch: 1 };

test("sharpness is that of the start and of the flattest minimum, and is kept by descent", () => {
  assert.ok(Math.abs(sharpness(START[0], START[1]) - STEEPEST) < 1e-12);
  assert.ok(Math.abs(sharpness(FLATTEST[0], FLATTEST[1]) - 2) < 1e-12);
  const runs = new Runs(1, 0);
  runs.u[0] = 1.9;
  runs.v[0] = 0.3;
  const before = sharpness(1.9, 0.3);
  runs.advance(400_000, 1e-4, 1, 0);
  assert.ok(Math.abs(runs.u[0] * runs.v[0] - 1) < 1e-9);
  assert.ok(Math.abs(runs.u[0] ** 2 + runs.v[0] ** 2 - before) < 1e-3);
});

test("a batch of four is half the noise", () => {
  const size = { runs: 3, steps: 500, records: 20, seed: 1 };
  const one = convergence({ ...AT, noise: 0.25 }, size, [1.5]);
  assert.deepEqual(convergence({ ...AT, noise: 0.5, batch: 4 }, size, [1.5]), one);
});

test("steps are the same in one frame or in many, but for the order of the noise", () => {
  const length = unit(LR, 0.5, 1);
  const [one, many] = [new Live({ ...AT, runs: 1 }, length, 5), new Live({ ...AT, runs: 1 }, length, 5)];
  one.advance(700);
  for (let i = 0; i < 100; i++) many.advance(7);
  assert.equal(many.runs.u[0], one.runs.u[0]);
  assert.deepEqual(many.steps, one.steps);
});

test("records are thinned out, evenly spaced, and never lost", () => {
  const live = new Live({ ...AT, runs: 2 }, 20, 1);
  live.advance(5000);
  assert.ok(live.steps.length < 128 && live.steps.length >= 64);
  const gaps = new Set(live.steps.slice(1).map((step, i) => step - live.steps[i]));
  assert.deepEqual([...gaps], [live.every]);
  assert.equal(live.records.length, live.steps.length);
});

test("the picture's times are those of the sweep", () => {
  const length = unit(LR, 0.5, 1);
  const live = new Live({ ...AT, runs: 200 }, length, 9);
  live.advance(Math.ceil(22 * length));
  const { value, low, high, settled } = live.times(1.25);
  const swept = convergence(AT, { runs: 400, steps: Math.ceil(22 * length), records: 160, seed: 2 }, [1.25])[0].sort((a, b) => a - b);
  assert.ok(settled > 190, `${settled} settled`);
  assert.ok(low < swept[215] && swept[185] < high, `${value} (${low} to ${high}), ${swept[200]}`);
});

test("a run that has only just come to its goal has no time yet", () => {
  const live = new Live({ ...AT, runs: 50 }, unit(LR, 0.5, 1), 3);
  assert.equal(live.times(1.25).settled, 0);
  live.advance(10);
  assert.equal(live.times(1.25).value, Infinity);
});
