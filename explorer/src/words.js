/** Numbers as people read them. */

const MINUS = "−";
const SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/**
 * A number to some digits: 0.00316, 1,230, 3.2 × 10⁻⁶.
 *
 * @param {number} value
 * @param {number} [digits]
 */
export function short(value, digits = 3) {
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "none";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e7 || size < 0.99e-5) {
    const [mantissa, power] = value.toExponential(digits - 1).split("e");
    const plain = mantissa.replace(/\.?0+$/, "").replace("-", MINUS);
    return plain === "1" ? `10${raised(Number(power))}` : `${plain} × 10${raised(Number(power))}`;
  }
  const rounded = Number(value.toPrecision(digits));
  return rounded
    .toLocaleString("en", { maximumFractionDigits: 20 })
    .replace("-", MINUS);
}

/** @param {number} power A whole number. */
export function raised(power) {
  const sign = power < 0 ? "⁻" : "";
  return sign + [...String(Math.abs(power))].map((digit) => SUPERSCRIPT[Number(digit)]).join("");
}

/**
 * Momentum to as many digits as tell it from 1: 0.9, 0.9941, 0.99973.
 *
 * @param {number} mu 1 - momentum.
 */
export function momentum(mu) {
  if (mu >= 0.9995) return "0";
  const places = Math.max(2, 1 - Math.floor(Math.log10(mu)));
  return String(Number((1 - mu).toFixed(places)));
}

/**
 * Steps, as a whole number where that is short.
 *
 * @param {number} steps
 */
export function steps(steps) {
  if (!Number.isFinite(steps)) return "never";
  return steps < 1e5 ? Math.round(steps).toLocaleString("en") : short(steps, 2);
}

/** `lr^(2/3)`, as mark-up of a page and of a drawing. */
export const LR_POWER = "lr<sup>2/3</sup>";
export const LR_POWER_DRAWN = 'lr<tspan dy="-5" font-size="75%">2/3</tspan><tspan dy="5">&#8203;</tspan>';
