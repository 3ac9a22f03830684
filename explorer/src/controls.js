/** The page's inputs: from settings to sliders and back. */

import { CHOICES, muOf, RANGES } from "./settings.js";
import { LR_POWER, momentum, short } from "./words.js";

/** @typedef {import("./settings.js").Settings} Settings */

/**
 * An element of the page, by its id.
 *
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
export function element(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} ${id}`);
  return found;
}

/**
 * Where on a slider from 0 to 1 a value lies, on a logarithmic scale.
 *
 * @param {number} value
 * @param {readonly number[]} range
 */
export function toShare(value, [low, high]) {
  return Math.log(value / low) / Math.log(high / low);
}

/**
 * @param {number} share
 * @param {readonly number[]} range
 */
export function fromShare(share, [low, high]) {
  return low * (high / low) ** share;
}

const text = {
  goal: (/** @type {number} */ goal) => `within ${Math.round(100 * (goal - 1))}%`,
  runs: (/** @type {number} */ runs) => String(runs),
  speed: (/** @type {number} */ speed) => (speed < 1 ? "slow" : speed > 1 ? "fast" : "normal"),
};

export class Controls {
  /**
   * @param {() => Settings} settings Of now.
   * @param {(changed: Partial<Settings>) => void} change
   * @param {() => number} bestC Of the settings of now.
   */
  constructor(settings, change, bestC) {
    this.settings = settings;
    this.bestC = bestC;
    const slider = (/** @type {string} */ id) => element(id, HTMLInputElement);
    this.lr = slider("lr");
    this.mu = slider("mu");
    this.C = slider("C");
    this.noise = slider("noise");
    this.batch = slider("batch");
    this.follow = slider("follow");
    this.selects = /** @type {const} */ (["goal", "runs", "speed"]).map((name) => {
      const select = element(name, HTMLSelectElement);
      for (const value of CHOICES[name]) select.add(new Option(text[name](value), String(value)));
      select.addEventListener("change", () => change({ [name]: Number(select.value) }));
      return { name, select };
    });
    this.lr.addEventListener("input", () => change({ lr: fromShare(Number(this.lr.value), RANGES.lr) }));
    // Momentum rises to the right, 1 - momentum falls. Whoever moves it no longer follows the law.
    this.mu.addEventListener("input", () =>
      change({ mu: fromShare(1 - Number(this.mu.value), RANGES.mu), C: null }),
    );
    this.C.addEventListener("input", () =>
      change({ mu: null, C: fromShare(Number(this.C.value), RANGES.C) }),
    );
    this.noise.addEventListener("input", () =>
      change({ noise: fromShare(Number(this.noise.value), RANGES.noise) }),
    );
    this.batch.addEventListener("input", () =>
      change({ batch: CHOICES.batch[Number(this.batch.value)] }),
    );
    this.follow.addEventListener("change", () => {
      const now = settings();
      // Followed from the momentum that is set, or left where the law has brought it.
      const mu = muOf(now, bestC());
      const C = Math.min(RANGES.C[1], Math.max(RANGES.C[0], mu / now.lr ** (2 / 3)));
      change(this.follow.checked ? { mu: null, C } : { mu, C: null });
    });
    element("best", HTMLButtonElement).addEventListener("click", () => change({ mu: null, C: null }));
  }

  /** Show the settings of now. */
  show() {
    const now = this.settings();
    const mu = muOf(now, this.bestC());
    const C = mu / now.lr ** (2 / 3);
    const put = (/** @type {HTMLInputElement} */ input, /** @type {number} */ value, /** @type {string} */ words) => {
      // A slider that is being dragged is where it should be.
      if (Math.abs(Number(input.value) - value) > Number(input.step) / 2) input.value = String(value);
      input.setAttribute("aria-valuetext", words);
      element(`${input.id}-out`, HTMLOutputElement).value = words;
    };
    put(this.lr, toShare(now.lr, RANGES.lr), short(now.lr, 3));
    put(this.mu, 1 - toShare(mu, RANGES.mu), momentum(mu));
    put(this.C, toShare(Math.min(RANGES.C[1], Math.max(RANGES.C[0], C)), RANGES.C), short(C, 2));
    put(this.noise, toShare(now.noise, RANGES.noise), short(now.noise, 2));
    put(this.batch, CHOICES.batch.indexOf(now.batch), String(now.batch));
    this.follow.checked = now.mu === null;
    for (const { name, select } of this.selects) select.value = String(now[name]);
    element("law-text", HTMLElement).innerHTML = `1 − momentum = ${short(C, 2)} · ${LR_POWER}`;
    const best = element("best", HTMLButtonElement);
    best.disabled = now.mu === null && now.C === null;
    element("C-field", HTMLDivElement).hidden = now.mu !== null;
  }
}
