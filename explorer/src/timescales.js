/**
 * The closed forms behind the law, as in `flatfast.timescales`; times are in steps.
 *
 * `mu` is 1 - momentum; `curvature` is an eigenvalue of the Hessian.
 */

/**
 * The learning rate at and above which a mode diverges.
 *
 * @param {number} mu
 * @param {number} curvature
 */
export function stabilityLimit(mu, curvature) {
  return (2 * (1 + (1 - mu))) / curvature;
}

/**
 * Steps in which a swing across the valley decays to 1/e; infinite from the stability limit on.
 *
 * The factors z of a step obey `z^2 - (1 + momentum - lr curvature) z + momentum = 0`. With z = 1 - x
 * that is `x^2 - (mu + g) x + g = 0`, g = lr curvature, which loses no digit where z is close to 1.
 *
 * @param {number} lr
 * @param {number} mu
 * @param {number} curvature
 */
export function tau1(lr, mu, curvature) {
  if (lr >= stabilityLimit(mu, curvature)) return Infinity;
  const g = lr * curvature;
  const both = mu + g;
  const square = both * both - 4 * g;
  if (square < 0) return -2 / Math.log1p(-mu); // |z|^2 is the momentum, for a pair of conjugates
  const far = (both + Math.sqrt(square)) / 2;
  const rate = -Math.max(logModulus(far), logModulus(g / far));
  return rate > 0 ? 1 / rate : Infinity;
}

/**
 * log|1 - x|
 *
 * @param {number} x
 */
function logModulus(x) {
  return Math.log1p(Math.max(x * x - 2 * x, -1)) / 2;
}

/**
 * Steps of the slide along the valley: `(4 / noise^2) (mu / lr)^2 S`.
 *
 * @param {number} lr
 * @param {number} mu
 * @param {number} flowTime S, a property of the problem.
 * @param {number} noise Standard deviation of the label noise.
 * @param {number} batch Labels that a step averages.
 */
export function tau2(lr, mu, flowTime, noise, batch) {
  return ((4 * batch) / noise ** 2) * (mu / lr) ** 2 * flowTime;
}

/**
 * The 1 - momentum where `2 / mu`, the time across, equals the time along: the law in one line.
 *
 * @param {number} lr
 * @param {number} flowTime
 * @param {number} noise
 * @param {number} batch
 */
export function crossing(lr, flowTime, noise, batch) {
  return Math.cbrt(noise ** 2 / (2 * batch * flowTime)) * lr ** (2 / 3);
}

/**
 * Mean square distance from the valley's floor under label noise, to leading order.
 *
 * @param {number} lr
 * @param {number} mu
 * @param {number} noise
 * @param {number} batch
 */
export function variance(lr, mu, noise, batch) {
  return (lr * noise ** 2) / (2 * batch * mu);
}

/**
 * The law: 1 - momentum at a learning rate, at most 1.
 *
 * @param {number} lr
 * @param {number} C
 */
export function law(lr, C) {
  return Math.min(1, C * lr ** (2 / 3));
}

/**
 * C at another noise or batch: in the limit of small learning rates it goes as (noise^2 / batch)^(1/3).
 *
 * @param {number} C
 * @param {{noise: number, batch: number}} from
 * @param {{noise: number, batch: number}} to
 */
export function rescaled(C, from, to) {
  return C * Math.cbrt((to.noise ** 2 / to.batch) / (from.noise ** 2 / from.batch));
}
