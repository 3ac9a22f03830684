import assert from "node:assert/strict";
import { test } from "node:test";
import { fromShare, toShare } from "../src/controls.js";
import { DEFAULTS, format, muOf, parse, RANGES } from "../src/settings.js";
import { momentum, short, steps } from "../src/words.js";

test("no address gives the defaults, at the law's momentum", () => {
  assert.deepEqual(parse(""), { ...DEFAULTS });
  assert.ok(Math.abs(muOf(parse("#lr=0.001"), 0.6) - 0.006) < 1e-12);
});

test("settings survive the address", () => {
  const given = { lr: 3.2e-4, mu: 1 - 0.99731, C: null, noise: 0.25, batch: 4, runs: 200, goal: 1.1, speed: 4, theme: "dark" };
  const back = parse(`#${format(/** @type {import("../src/settings.js").Settings} */ (given))}`);
  assert.ok(Math.abs((back.mu ?? 0) / given.mu - 1) < 1e-3);
  assert.deepEqual({ ...back, mu: 0 }, { ...given, mu: 0 });
  assert.equal(parse(format({ ...DEFAULTS, C: 1.5 })).C, 1.5);
});

test("every momentum of the slider survives the address to a thousandth of 1 - momentum", () => {
  for (let share = 0; share <= 1; share += 0.01) {
    const mu = fromShare(share, RANGES.mu);
    const back = parse(format({ ...DEFAULTS, mu })).mu ?? 0;
    assert.ok(Math.abs(back / mu - 1) < 1e-3, `${mu} came back as ${back}`);
  }
});

test("an address of nonsense is as none; what is out of range comes to its end", () => {
  assert.deepEqual(parse("#lr=quick&m=&runs=3&goal=NaN&theme=blue&batch=1e99"), { ...DEFAULTS });
  assert.equal(parse("#lr=7").lr, RANGES.lr[1]);
  assert.equal(parse("#m=1").mu, RANGES.mu[0]);
  assert.equal(parse("#m=-3").mu, 1);
  assert.equal(parse("#lr=Infinity").lr, DEFAULTS.lr);
});

test("a slider's place is a logarithm", () => {
  assert.equal(toShare(1e-5, RANGES.lr), 0);
  assert.ok(Math.abs(fromShare(0.5, [1e-4, 1]) - 1e-2) < 1e-15);
});

test("numbers are written as people read them", () => {
  assert.equal(momentum(0.1), "0.9");
  assert.equal(momentum(0.00593), "0.9941");
  assert.equal(momentum(1), "0");
  assert.equal(short(0.0000316), "0.0000316");
  assert.equal(short(3.2e-6, 2), "3.2 × 10⁻⁶");
  assert.equal(short(1234567, 2), "1,200,000");
  assert.equal(short(1e9), "10⁹");
  assert.equal(steps(Infinity), "never");
  assert.equal(steps(2748.3), "2,748");
});
