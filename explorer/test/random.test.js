import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../src/random.js";

const COUNT = 1_000_000;

/** @param {number} share */
const fiveErrors = (share) => 5 * Math.sqrt((share * (1 - share)) / COUNT);

test("the Gaussian has the moments of one, within five of their errors", () => {
  const random = new Random(1);
  const sums = [0, 0, 0, 0];
  for (let i = 0; i < COUNT; i++) {
    const x = random.normal();
    for (let k = 0; k < 4; k++) sums[k] += x ** (k + 1);
  }
  [0, 1, 0, 3].forEach((expected, k) => {
    const error = Math.sqrt([1, 2, 15, 96][k] / COUNT);
    assert.ok(Math.abs(sums[k] / COUNT - expected) < 5 * error, `moment ${k + 1}`);
  });
});

test("as many Gaussians as should lie below each border, the tail's among them", () => {
  // The normal distribution function; 3.4426 is where the ziggurat's tail begins.
  const borders = [[-3.442619855899, 2.8802e-4], [-2, 0.0227501], [-0.5, 0.3085375], [0.1, 0.5398278], [1, 0.8413447], [3, 0.9986501]];
  const random = new Random(2);
  const below = borders.map(() => 0);
  for (let i = 0; i < COUNT; i++) {
    const x = random.normal();
    borders.forEach(([border], k) => (below[k] += x < border ? 1 : 0));
  }
  borders.forEach(([border, share], k) => {
    assert.ok(Math.abs(below[k] / COUNT - share) < fiveErrors(share), `below ${border}`);
  });
});

test("successive draws, and those of neighbouring seeds, are not correlated", () => {
  const one = new Random(7);
  const next = new Random(8);
  let before = one.normal();
  let lag = 0;
  let across = 0;
  for (let i = 0; i < COUNT; i++) {
    const x = one.normal();
    lag += x * before;
    across += x * next.normal();
    before = x;
  }
  assert.ok(Math.abs(lag) < 5 * Math.sqrt(COUNT));
  assert.ok(Math.abs(across) < 5 * Math.sqrt(COUNT));
});

test("the same seed gives the same stream", () => {
  const [one, two, other] = [new Random(3), new Random(3), new Random(4)];
  const first = Array.from({ length: 9 }, () => one.normal());
  assert.deepEqual(first, Array.from({ length: 9 }, () => two.normal()));
  assert.notDeepEqual(first, Array.from({ length: 9 }, () => other.normal()));
});
