/** A chart as SVG, on logarithmic axes unless one says otherwise; colours are the style sheet's. */

import { momentum, raised, short } from "./words.js";

/**
 * @typedef {object} Axis
 * @property {number} from
 * @property {number} to
 * @property {boolean} [linear] Logarithmic if not.
 * @property {boolean} [falling] Whether values fall to the right.
 * @property {boolean} [asMomentum] Whether ticks tell 1 minus the value.
 * @property {string} label
 */

const MARGIN = { left: 46, right: 12, top: 28, bottom: 40 };

export class Chart {
  /**
   * @param {string} name Of the chart, for what it defines in the page.
   * @param {number} width In pixels of the page.
   * @param {number} height
   * @param {Axis} across
   * @param {Axis} up
   */
  constructor(name, width, height, across, up) {
    this.name = name;
    this.width = width;
    this.height = height;
    this.across = across;
    this.up = up;
    /** @type {string[]} */
    this.parts = [];
    this.axes();
  }

  /** @param {number} value */
  x(value) {
    const share = shareOf(this.across, value);
    const wide = this.width - MARGIN.left - MARGIN.right;
    return MARGIN.left + (this.across.falling ? 1 - share : share) * wide;
  }

  /** @param {number} value */
  y(value) {
    const high = this.height - MARGIN.top - MARGIN.bottom;
    return this.height - MARGIN.bottom - shareOf(this.up, value) * high;
  }

  axes() {
    const bottom = this.height - MARGIN.bottom;
    const right = this.width - MARGIN.right;
    for (const [value, named] of ticks(this.across)) {
      const x = this.x(value).toFixed(1);
      this.parts.push(`<path class="grid" d="M${x} ${MARGIN.top}V${bottom}"/>`);
      const name = this.across.asMomentum ? momentum(value) : tickName(value, this.across);
      if (named) this.parts.push(`<text class="tick" x="${x}" y="${bottom + 16}" text-anchor="middle">${name}</text>`);
    }
    for (const [value, named] of ticks(this.up)) {
      const y = this.y(value);
      this.parts.push(`<path class="grid" d="M${MARGIN.left} ${y.toFixed(1)}H${right}"/>`);
      if (named) this.parts.push(`<text class="tick" x="${MARGIN.left - 6}" y="${(y + 4).toFixed(1)}" text-anchor="end">${tickName(value, this.up)}</text>`);
    }
    this.parts.push(`<path class="axis" d="M${MARGIN.left} ${MARGIN.top}V${bottom}H${right}"/>`);
    const middle = (MARGIN.left + right) / 2;
    this.parts.push(`<text class="label" x="${middle}" y="${this.height - 5}" text-anchor="middle">${this.across.label}</text>`);
    this.parts.push(`<text class="label" x="4" y="14">${this.up.label}</text>`);
  }

  /**
   * A line through points; where one is not finite the line has a gap.
   *
   * @param {[number, number][]} points
   * @param {string} style Class, and more attributes if need be.
   */
  line(points, style) {
    let path = "";
    let pen = "M";
    for (const [x, y] of points) {
      if (!Number.isFinite(y) || !(y > 0)) {
        pen = "M";
        continue;
      }
      path += `${pen}${this.x(x).toFixed(1)} ${this.y(y).toFixed(1)}`;
      pen = "L";
    }
    if (path) this.parts.push(`<path clip-path="url(#inside-${this.name})" ${style} d="${path}"/>`);
  }

  /**
   * @param {number} value
   * @param {string} style
   */
  vertical(value, style) {
    const x = this.x(value).toFixed(1);
    this.parts.push(`<path ${style} d="M${x} ${MARGIN.top}V${this.height - MARGIN.bottom}"/>`);
  }

  /**
   * @param {number} value
   * @param {string} style
   */
  horizontal(value, style) {
    const y = this.y(value).toFixed(1);
    this.parts.push(`<path ${style} d="M${MARGIN.left} ${y}H${this.width - MARGIN.right}"/>`);
  }

  /**
   * @param {number} x
   * @param {number} y
   * @param {number} radius
   * @param {string} style
   */
  dot(x, y, radius, style) {
    if (!this.shows(x, y)) return;
    this.parts.push(`<circle ${style} cx="${this.x(x).toFixed(1)}" cy="${this.y(y).toFixed(1)}" r="${radius}"/>`);
  }

  /**
   * Words at a place, kept within the chart.
   *
   * @param {number} x
   * @param {number} y
   * @param {string} words
   * @param {string} style
   * @param {{dx?: number, dy?: number, anchor?: "start" | "middle" | "end"}} [shift] In pixels.
   */
  text(x, y, words, style, shift = {}) {
    const length = words.length * 7.4;
    const anchor = shift.anchor ?? "start";
    const before = anchor === "start" ? 0 : anchor === "end" ? length : length / 2;
    const least = MARGIN.left + 3 + before;
    const most = this.width - MARGIN.right - (length - before);
    const left = Math.max(least, Math.min(most, this.x(x) + (shift.dx ?? 0)));
    const top = Math.max(MARGIN.top + 11, Math.min(this.height - MARGIN.bottom - 5, this.y(y) + (shift.dy ?? 0)));
    this.parts.push(`<text ${style} x="${left.toFixed(1)}" y="${top.toFixed(1)}" text-anchor="${anchor}">${words}</text>`);
  }

  /**
   * @param {number} x
   * @param {number} y
   */
  shows(x, y) {
    const [left, right] = [this.across.from, this.across.to];
    return x >= left && x <= right && y >= this.up.from && y <= this.up.to;
  }

  /** @returns {string} What is inside the `<svg>`. */
  toString() {
    const wide = this.width - MARGIN.left - MARGIN.right;
    const high = this.height - MARGIN.top - MARGIN.bottom;
    const inside = `<clipPath id="inside-${this.name}"><rect x="${MARGIN.left}" y="${MARGIN.top}" width="${wide}" height="${high}"/></clipPath>`;
    return `<defs>${inside}</defs>${this.parts.join("")}`;
  }
}

/**
 * Where on an axis a value lies, from 0 to 1.
 *
 * @param {Axis} axis
 * @param {number} value
 */
function shareOf({ from, to, linear }, value) {
  return linear ? (value - from) / (to - from) : Math.log(value / from) / Math.log(to / from);
}

/**
 * Ticks of an axis, and whether each has its name written: powers of ten, with 2 and 5 between them where
 * there are few.
 *
 * @param {Axis} axis
 * @returns {[number, boolean][]}
 */
export function ticks(axis) {
  const { from, to, asMomentum } = axis;
  if (axis.linear) return evenTicks(from, to);
  const decades = Math.log10(to / from);
  const steps = decades > 2.3 || asMomentum ? [1] : [1, 2, 5];
  const every = decades > 7 ? 2 : 1;
  /** @type {[number, boolean][]} */
  const found = [];
  for (let power = Math.floor(Math.log10(from)); power <= Math.log10(to) + 1; power++) {
    for (const step of steps) {
      const value = step * 10 ** power;
      if (value < from * 0.999 || value > to * 1.001) continue;
      found.push([value, power % every === 0]);
    }
  }
  return found;
}

/**
 * Some round numbers, evenly spaced.
 *
 * @param {number} from
 * @param {number} to
 * @returns {[number, boolean][]}
 */
function evenTicks(from, to) {
  const rough = (to - from) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * (rough / power < 2 ? 1 : rough / power < 5 ? 2 : 5);
  const first = Math.ceil(from / step);
  const count = Math.floor(to / step) - first + 1;
  return Array.from({ length: count }, (_, i) => [(first + i) * step, true]);
}

/**
 * @param {number} value
 * @param {Axis} axis
 */
function tickName(value, { linear }) {
  const power = Math.round(Math.log10(value));
  const far = value >= 1e4 || value < 1e-3;
  if (!linear && far && Math.abs(value / 10 ** power - 1) < 1e-9) return `10${raised(power)}`;
  return short(value, 3);
}
