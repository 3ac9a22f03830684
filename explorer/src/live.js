/** The runs in the picture: they go on from frame to frame, and their times are taken. */

import { settling, smooth, windows } from "./settling.js";
import { medianInterval } from "./statistics.js";
import { LEAST, Runs } from "./valley.js";

/** Records that are kept; when they are full, every other one is left out. */
const MOST = 128;

/** When a run counts as settled: see `flatfast.lab.estimation.convergence.settled`. */
const MARGIN = 3;
const MEMORIES_PAST = 5;

export class Live {
  /**
   * @param {{runs: number, lr: number, mu: number, noise: number, batch: number}} settings
   * @param {number} unit Of time, in steps: some twenty records are made in it.
   * @param {number} seed
   */
  constructor(settings, unit, seed) {
    this.settings = settings;
    this.noise = settings.noise / Math.sqrt(settings.batch);
    this.runs = new Runs(settings.runs, seed);
    this.every = Math.max(1, Math.round(unit / 20));
    /** @type {number[]} */
    this.steps = [];
    /** @type {{all: Float64Array, low: number, middle: number, high: number}[]} Of each record, the runs'. */
    this.records = [];
    this.record();
  }

  /** @param {number} steps */
  advance(steps) {
    let left = steps;
    while (left > 0) {
      const mark = this.steps[this.steps.length - 1] + this.every;
      const next = Math.min(left, mark - this.runs.step);
      this.runs.advance(next, this.settings.lr, this.settings.mu, this.noise);
      left -= next;
      if (this.runs.step === mark) this.record();
    }
  }

  record() {
    const now = new Float64Array(this.runs.count);
    this.runs.sharpness(now);
    this.steps.push(this.runs.step);
    const sorted = Float64Array.from(now).sort();
    const quartile = (/** @type {number} */ q) => sorted[Math.floor(q * (sorted.length - 1))];
    this.records.push({ all: now, low: quartile(0.25), middle: quartile(0.5), high: quartile(0.75) });
    if (this.records.length < MOST) return;
    this.steps = this.steps.filter((_, i) => i % 2 === 0);
    this.records = this.records.filter((_, i) => i % 2 === 0);
    this.every *= 2; // from the last that is kept, which the next is counted from
  }

  /**
   * How many runs are within a goal now, and have diverged.
   *
   * @param {number} goal Sharpness over its least.
   */
  count(goal) {
    const now = new Float64Array(this.runs.count);
    this.runs.sharpness(now);
    let within = 0;
    let lost = 0;
    for (const value of now) {
      if (value <= goal * LEAST) within++;
      else if (!Number.isFinite(value)) lost++;
    }
    return { within, lost };
  }

  /**
   * T_c of the runs so far; infinite for those that have not stayed long enough within the goal.
   *
   * @param {number} goal Sharpness over its least.
   */
  times(goal) {
    const window = windows(this.steps, this.settings.mu);
    const values = new Float64Array(this.steps.length);
    const smoothed = new Float64Array(this.steps.length);
    const now = this.steps[this.steps.length - 1];
    const memories = MEMORIES_PAST / this.settings.mu;
    const times = Array.from({ length: this.runs.count }, (_, run) => {
      for (let i = 0; i < values.length; i++) values[i] = this.records[i].all[run];
      smooth(this.steps, values, window, smoothed);
      const time = settling(this.steps, smoothed, goal * LEAST);
      return now >= MARGIN * time && now - time >= memories ? time : Infinity;
    });
    return { settled: times.filter(Number.isFinite).length, ...medianInterval(times) };
  }

  /** The runs' quartiles and median at each record. */
  spread() {
    const of = (/** @type {"low" | "middle" | "high"} */ name) => this.records.map((record) => record[name]);
    return { steps: this.steps, low: of("low"), middle: of("middle"), high: of("high") };
  }
}
