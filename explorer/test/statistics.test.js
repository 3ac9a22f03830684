import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../src/random.js";
import { exponent, geometricMean, lowest, median, medianInterval, optimum, polynomial } from "../src/statistics.js";

const AT = Array.from({ length: 13 }, (_, i) => 0.2 * 10 ** (i / 10));

/** A lopsided curve whose least, 5, is at 0.6. */
const curve = (/** @type {number} */ at) => {
  const x = Math.log(at / 0.6);
  return 5 * Math.exp(0.7 * x * x + 0.2 * x ** 3);
};

test("a polynomial is found again", () => {
  const x = [-2, -1, 0, 1, 2, 3];
  const [a, b, c, d] = polynomial(x, x.map((v) => 1 - 2 * v + 3 * v ** 2 - 0.5 * v ** 3), 3);
  [a - 1, b + 2, c - 3, d + 0.5].forEach((error) => assert.ok(Math.abs(error) < 1e-9));
});

test("the least of a curve is found to a part in a million", () => {
  const found = lowest(AT, AT.map(curve));
  assert.ok(found && Math.abs(found.at / 0.6 - 1) < 1e-6 && Math.abs(found.time / 5 - 1) < 1e-6);
});

test("a least at an end is no optimum, nor is a curve of infinite times", () => {
  assert.equal(lowest(AT, AT.map((at) => at)), null);
  assert.equal(lowest(AT, AT.map((at) => 1 / at)), null);
  assert.equal(lowest(AT, AT.map(() => Infinity)), null);
});

test("intervals of the optimum hold it in about 95% of samples", () => {
  const random = new Random(5);
  let held = 0;
  for (let sample = 0; sample < 100; sample++) {
    const times = AT.map((at) => Array.from({ length: 64 }, () => curve(at) * Math.exp(0.4 * random.normal())));
    const found = optimum(AT, times);
    if (found && found.at.low <= 0.6 && 0.6 <= found.at.high) held++;
  }
  assert.ok(held >= 87, `${held} of 100`); // fewer once in a thousand, were it 95%
});

test("intervals of the median hold it in about 95% of samples", () => {
  const random = new Random(6);
  for (const count of [20, 64, 200]) {
    let held = 0;
    for (let sample = 0; sample < 1000; sample++) {
      const { low, high } = medianInterval(Array.from({ length: count }, () => random.normal()));
      if (low <= 0 && 0 <= high) held++;
    }
    assert.ok(held >= 930 && held <= 995, `${held} of 1000 of ${count}`);
  }
});

test("the median of censored times counts them as late", () => {
  assert.equal(median([3, Infinity, 1]), 3);
  assert.equal(median([3, Infinity, Infinity]), Infinity);
  assert.equal(medianInterval([1, 2, 3, Infinity]).high, Infinity);
});

test("a power law's exponent and prefactor are found, with Student's intervals", () => {
  const x = [1e-5, 1e-4, 1e-3, 1e-2];
  const found = exponent(x, x.map((at) => 0.6 * at ** (2 / 3)));
  assert.ok(Math.abs(found.value - 2 / 3) < 1e-12 && found.high - found.low < 1e-9);
  const mean = geometricMean([0.5, 0.6, 0.72]);
  // log spacing 0.1823: sd / sqrt(3) * 4.303
  assert.ok(Math.abs(mean.value - 0.6) < 1e-12);
  assert.ok(Math.abs(Math.log(mean.high / 0.6) - (4.303 * Math.log(1.2)) / Math.sqrt(3)) < 1e-9);
});
