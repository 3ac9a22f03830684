/**
 * The lab's smallest problem in width 1: two weights u and v whose product shall be 1.
 *
 * The loss `(u v - 1)^2 / 2` is zero on a hyperbola, the valley. Its sharpness there, the Hessian's
 * trace `u^2 + v^2`, is least at u = v = 1. Label noise lets SGD with momentum,
 * `p <- momentum p + g`, `w <- w - lr p`, slide along the valley to that flattest minimum.
 */

import { Random } from "./random.js";

/** Where runs start: in the valley, on its steep side. */
export const START = Object.freeze([Math.E, 1 / Math.E]);

/** The flattest minimum. */
export const FLATTEST = Object.freeze([1, 1]);

/** The least sharpness of all minima, and that of the start, which is the curvature across. */
export const LEAST = 2;
export const STEEPEST = START[0] ** 2 + START[1] ** 2;

/**
 * The sharpness of the minimum where descent from (u, v) would come to rest.
 *
 * Descent keeps `u^2 - v^2`, so that this does not see how far the noise has thrown the weights off
 * the valley.
 *
 * @param {number} u
 * @param {number} v
 */
export function sharpness(u, v) {
  const kept = u * u - v * v;
  return Math.sqrt(kept * kept + 4);
}

/**
 * The time S that the flow `dw/dS = -grad tr H` along the valley takes from the start to where the
 * sharpness has fallen to 1/e of its excess. With `u = exp(q)`, sinh 2q falls as exp(-4 S).
 */
export function flowTime() {
  const end = LEAST + (STEEPEST - LEAST) / Math.E;
  const steep = (/** @type {number} */ trace) => Math.sqrt((trace / 2) ** 2 - 1);
  return Math.log(steep(STEEPEST) / steep(end)) / 4;
}

/** Many runs of SGD side by side, each with noise of its own. */
export class Runs {
  /**
   * @param {number} count How many.
   * @param {number} seed Of the noise.
   */
  constructor(count, seed) {
    this.count = count;
    this.u = new Float64Array(count).fill(START[0]);
    this.v = new Float64Array(count).fill(START[1]);
    this.pushU = new Float64Array(count);
    this.pushV = new Float64Array(count);
    this.random = new Random(seed);
    this.step = 0;
  }

  /**
   * Take steps.
   *
   * @param {number} steps How many.
   * @param {number} lr Learning rate.
   * @param {number} mu 1 - momentum, in (0, 1].
   * @param {number} noise Standard deviation of the noise on the label, per step.
   */
  advance(steps, lr, mu, noise) {
    const momentum = 1 - mu;
    const random = this.random;
    for (let run = 0; run < this.count; run++) {
      let u = this.u[run];
      let v = this.v[run];
      let pushU = this.pushU[run];
      let pushV = this.pushV[run];
      for (let step = 0; step < steps; step++) {
        const error = u * v - 1 - noise * random.normal();
        pushU = momentum * pushU + error * v;
        pushV = momentum * pushV + error * u;
        u -= lr * pushU;
        v -= lr * pushV;
      }
      this.u[run] = u;
      this.v[run] = v;
      this.pushU[run] = pushU;
      this.pushV[run] = pushV;
    }
    this.step += steps;
  }

  /**
   * The sharpness that each run has come to; not a number for runs that have diverged.
   *
   * @param {Float64Array} into Of as many numbers as there are runs.
   */
  sharpness(into) {
    for (let run = 0; run < this.count; run++) into[run] = sharpness(this.u[run], this.v[run]);
  }
}
