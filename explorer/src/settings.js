/**
 * What one can set, its ranges, and its form in the address: `#lr=0.001&m=0.994&runs=20`.
 *
 * With `m` the momentum is as given; without, it follows the law, at `C` if that is given.
 */

import { GOALS } from "./sweep.js";
import { law } from "./timescales.js";

/**
 * @typedef {object} Settings
 * @property {number} lr Learning rate.
 * @property {number | null} mu 1 - momentum; null to follow the law.
 * @property {number | null} C Of the law; null for the best that is known.
 * @property {number} noise Standard deviation of the noise on a label, in units of the label.
 * @property {number} batch Labels that a step averages.
 * @property {number} runs Runs in the picture.
 * @property {number} goal Sharpness over its least.
 * @property {number} speed Of the picture.
 * @property {"light" | "dark" | null} theme Null for the system's.
 */

/** Ranges of what is continuous. */
export const RANGES = Object.freeze({
  lr: Object.freeze([1e-5, 1e-2]),
  mu: Object.freeze([3e-5, 1]),
  C: Object.freeze([0.02, 20]),
  noise: Object.freeze([0.1, 1]),
});

/** Values of what is not. */
export const CHOICES = Object.freeze({
  batch: Object.freeze([1, 2, 4, 8, 16]),
  runs: Object.freeze([1, 20, 200]),
  goal: Object.freeze(GOALS),
  speed: Object.freeze([0.25, 1, 4]),
});

/** @type {Readonly<Settings>} */
export const DEFAULTS = Object.freeze({
  lr: 1e-3,
  mu: null,
  C: null,
  noise: 0.5,
  batch: 1,
  runs: 20,
  goal: 1.25,
  speed: 1,
  theme: null,
});

/**
 * Settings from an address. What is missing, not a number or no choice is as by default; what is out of
 * its range is taken to the nearer end.
 *
 * @param {string} hash With or without `#`.
 * @returns {Settings}
 */
export function parse(hash) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const settings = { ...DEFAULTS };
  const number = (/** @type {string} */ name) => {
    const text = given.get(name);
    const value = text === null || text.trim() === "" ? NaN : Number(text);
    return Number.isFinite(value) ? value : null;
  };
  const within = (/** @type {number} */ value, /** @type {readonly number[]} */ [low, high]) =>
    Math.min(high, Math.max(low, value));
  const lr = number("lr");
  if (lr !== null) settings.lr = within(lr, RANGES.lr);
  const momentum = number("m");
  const C = number("C");
  if (momentum !== null) settings.mu = within(1 - momentum, RANGES.mu);
  else if (C !== null) settings.C = within(C, RANGES.C);
  const noise = number("noise");
  if (noise !== null) settings.noise = within(noise, RANGES.noise);
  for (const name of /** @type {const} */ (["batch", "runs", "goal", "speed"])) {
    const value = number(name);
    if (value !== null && CHOICES[name].includes(value)) settings[name] = value;
  }
  const theme = given.get("theme");
  if (theme === "light" || theme === "dark") settings.theme = theme;
  return settings;
}

/**
 * The address of settings; what is as by default is left out.
 *
 * @param {Settings} settings
 * @returns {string} Without `#`.
 */
export function format(settings) {
  const parts = [`lr=${digits(settings.lr, 4)}`];
  // As many digits as 1 - momentum needs.
  if (settings.mu !== null) parts.push(`m=${digits(1 - settings.mu, 4 - Math.log10(settings.mu))}`);
  else if (settings.C !== null) parts.push(`C=${digits(settings.C, 4)}`);
  for (const name of /** @type {const} */ (["noise", "batch", "runs", "goal", "speed"])) {
    if (settings[name] !== DEFAULTS[name]) parts.push(`${name}=${digits(settings[name], 4)}`);
  }
  if (settings.theme !== null) parts.push(`theme=${settings.theme}`);
  return parts.join("&");
}

/**
 * 1 - momentum as it is set, or as the law says, within what the slider can show.
 *
 * @param {Settings} settings
 * @param {number} bestC
 */
export function muOf(settings, bestC) {
  const mu = settings.mu ?? law(settings.lr, settings.C ?? bestC);
  return Math.min(RANGES.mu[1], Math.max(RANGES.mu[0], mu));
}

/**
 * @param {number} value
 * @param {number} count
 */
function digits(value, count) {
  return String(Number(value.toPrecision(Math.min(17, Math.ceil(count)))));
}
