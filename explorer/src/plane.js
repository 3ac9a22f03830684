/** The picture of the runs: the loss in the plane of the two weights, the valley, and the dots. */

import { FLATTEST, LEAST, START } from "./valley.js";

/** What the picture shows: both weights from and to. */
const VIEW = [-0.1, 3.1];

/** Contours of the loss, at these distances of u v from 1. */
const CONTOURS = [0.25, 0.5, 1, 2, 4, 7];

/** Frames that a trail reaches back; few dots can have longer ones. */
const TRAIL = 14;

export class Plane {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    this.ground = document.createElement("canvas");
    this.size = 0;
    /** @type {Float64Array[]} Positions of the last frames, u and v in turn. */
    this.trail = [];
    this.trails = true;
    this.goal = 1.25;
    this.colours = { ink: "", muted: "", line: "", band: "", accent: "", dot: "", good: "", card: "" };
  }

  /** Forget the trails: the runs have started anew. */
  clear() {
    this.trail = [];
  }

  /**
   * Take the size and the colours that the page has given; draw what does not move.
   *
   * @param {number} goal Sharpness over its least.
   */
  prepare(goal) {
    this.goal = goal;
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const size = Math.round(this.canvas.clientWidth * ratio);
    if (size === 0) return;
    this.ratio = ratio;
    this.size = size;
    for (const canvas of [this.canvas, this.ground]) {
      canvas.width = size;
      canvas.height = size;
    }
    const style = getComputedStyle(this.canvas);
    for (const name of /** @type {(keyof Plane["colours"])[]} */ (Object.keys(this.colours))) {
      this.colours[name] = style.getPropertyValue(`--${name}`).trim();
    }
    this.drawGround();
  }

  /** @param {number} weight */
  x(weight) {
    return ((weight - VIEW[0]) / (VIEW[1] - VIEW[0])) * this.size;
  }

  /** @param {number} weight */
  y(weight) {
    return this.size - this.x(weight);
  }

  drawGround() {
    const ink = /** @type {CanvasRenderingContext2D} */ (this.ground.getContext("2d"));
    const px = this.ratio ?? 1;
    const colours = this.colours;
    ink.clearRect(0, 0, this.size, this.size);
    // Where the loss is low the ground is darker: bands between the hyperbolas u v = 1 +- d.
    for (const distance of [...CONTOURS].reverse()) {
      ink.fillStyle = colours.band;
      ink.beginPath();
      this.hyperbola(ink, 1 + distance, false);
      this.hyperbola(ink, 1 - distance, true);
      ink.closePath();
      ink.fill();
    }
    ink.lineWidth = px;
    ink.strokeStyle = colours.line;
    for (const distance of CONTOURS) {
      for (const product of [1 + distance, 1 - distance]) {
        ink.beginPath();
        this.hyperbola(ink, product, false);
        ink.stroke();
      }
    }
    ink.lineWidth = 1.5 * px;
    ink.strokeStyle = colours.muted;
    ink.beginPath();
    this.hyperbola(ink, 1, false);
    ink.stroke();
    // The part of the valley that counts as trained: u^2 + 1/u^2 at most the goal.
    const reach = Math.acosh((this.goal * LEAST) / 2) / 2;
    ink.lineWidth = 6 * px;
    ink.lineCap = "round";
    ink.strokeStyle = colours.good;
    ink.globalAlpha = 0.4;
    ink.beginPath();
    for (let i = 0; i <= 40; i++) {
      const q = reach * (i / 20 - 1);
      ink.lineTo(this.x(Math.exp(q)), this.y(Math.exp(-q)));
    }
    ink.stroke();
    ink.globalAlpha = 1;
    this.mark(ink, START, colours.muted);
    this.name(ink, START, colours.muted, "start", [0, -18]);
    ink.fillStyle = colours.muted;
    ink.font = `${12 * px}px system-ui, sans-serif`;
    ink.textAlign = "left";
    ink.fillText("valley of zero loss", this.x(0.42), this.y(2.78));
    ink.textAlign = "right";
    ink.fillText("weight u →", this.size - 8 * px, this.size - 8 * px);
    ink.save();
    ink.translate(16 * px, 8 * px);
    ink.rotate(-Math.PI / 2);
    ink.fillText("weight v →", 0, 0);
    ink.restore();
  }

  /**
   * The line on which u v has a value, from left to right or back.
   *
   * @param {CanvasRenderingContext2D} ink
   * @param {number} product
   * @param {boolean} back
   */
  hyperbola(ink, product, back) {
    const points = 90;
    if (Math.abs(product) < 1e-9) {
      // The axes themselves.
      const corner = /** @type {[number, number][]} */ ([[0, 9], [0, 0], [9, 0]]);
      for (const [u, v] of back ? corner.reverse() : corner) ink.lineTo(this.x(u), this.y(v));
      return;
    }
    if (product < 0) {
      // Seen only at the picture's margins; there it is as good as its corner.
      const corner = /** @type {[number, number][]} */ ([[-9, 9], [-9, -9], [9, -9]]);
      for (const [u, v] of back ? corner.reverse() : corner) ink.lineTo(this.x(u), this.y(v));
      return;
    }
    const reach = Math.log(9 / Math.sqrt(product));
    for (let i = 0; i <= points; i++) {
      const q = reach * ((2 * (back ? points - i : i)) / points - 1);
      const root = Math.sqrt(product);
      ink.lineTo(this.x(root * Math.exp(q)), this.y(root * Math.exp(-q)));
    }
  }

  /**
   * A ring at a point of the valley.
   *
   * @param {CanvasRenderingContext2D} ink
   * @param {readonly number[]} at
   * @param {string} colour
   */
  mark(ink, at, colour) {
    const px = this.ratio ?? 1;
    ink.lineWidth = 2 * px;
    ink.strokeStyle = colour;
    ink.beginPath();
    ink.arc(this.x(at[0]), this.y(at[1]), 7 * px, 0, 2 * Math.PI);
    ink.stroke();
  }

  /**
   * The name of a point of the valley, so many pixels from it, with a line to it if it is far.
   *
   * @param {CanvasRenderingContext2D} ink
   * @param {readonly number[]} at
   * @param {string} colour
   * @param {string} words
   * @param {[number, number]} shift
   */
  name(ink, at, colour, words, [right, down]) {
    const px = this.ratio ?? 1;
    const x = this.x(at[0]);
    const y = this.y(at[1]);
    ink.strokeStyle = colour;
    ink.lineWidth = 1.2 * px;
    if (right > 20) {
      ink.beginPath();
      ink.moveTo(x + 5.5 * px, y - 5.5 * px);
      ink.lineTo(x + right * px, y + (down + 4) * px);
      ink.stroke();
    }
    ink.fillStyle = colour;
    ink.font = `600 ${13 * px}px system-ui, sans-serif`;
    ink.textAlign = right > 20 ? "left" : "center";
    ink.fillText(words, x + right * px - (right > 20 ? 6 * px : 0), y + down * px);
  }

  /**
   * Draw the runs where they are.
   *
   * @param {import("./valley.js").Runs} runs
   * @param {boolean} moved Whether they have moved since the last time.
   */
  draw(runs, moved) {
    const ink = this.context;
    const px = this.ratio ?? 1;
    ink.clearRect(0, 0, this.size, this.size);
    ink.drawImage(this.ground, 0, 0);
    if (moved) this.remember(runs);
    const colours = this.colours;
    ink.strokeStyle = colours.dot;
    ink.lineCap = "round";
    ink.lineWidth = (runs.count > 50 ? 1 : 1.6) * px;
    // The trails fade in a few shades; each shade is one path, which costs much where there is no GPU.
    const shades = runs.count > 50 ? 3 : TRAIL - 1;
    for (let shade = 0; this.trails && shade < shades; shade++) {
      const from = 1 + Math.round((shade * (TRAIL - 1)) / shades);
      const to = 1 + Math.round(((shade + 1) * (TRAIL - 1)) / shades);
      ink.globalAlpha = ((shade + 1) / (shades + 1)) * (runs.count > 50 ? 0.3 : 0.6);
      ink.beginPath();
      for (let run = 0; run < runs.count; run++) {
        for (let age = from; age < to && age < this.trail.length; age++) {
          const older = this.trail[age - 1];
          const newer = this.trail[age];
          if (age === from) ink.moveTo(older[2 * run], older[2 * run + 1]);
          ink.lineTo(newer[2 * run], newer[2 * run + 1]);
        }
      }
      ink.stroke();
    }
    const radius = (runs.count > 50 ? 2.6 : runs.count > 1 ? 4.2 : 6.5) * px;
    ink.globalAlpha = runs.count > 50 ? 0.75 : 0.95;
    ink.fillStyle = colours.dot;
    ink.beginPath();
    for (let run = 0; run < runs.count; run++) {
      const x = this.x(runs.u[run]);
      const y = this.y(runs.v[run]);
      if (!(x > -20 && x < this.size + 20 && y > -20 && y < this.size + 20)) continue;
      ink.moveTo(x + radius, y);
      ink.arc(x, y, radius, 0, 2 * Math.PI);
    }
    ink.fill();
    ink.globalAlpha = 1;
    this.mark(ink, FLATTEST, colours.good);
    this.name(ink, FLATTEST, colours.good, "flattest minimum", [60, -78]);
  }

  /** @param {import("./valley.js").Runs} runs */
  remember(runs) {
    const full = this.trail.length === TRAIL;
    const spot = full ? /** @type {Float64Array} */ (this.trail.shift()) : new Float64Array(2 * runs.count);
    for (let run = 0; run < runs.count; run++) {
      spot[2 * run] = this.x(runs.u[run]);
      spot[2 * run + 1] = this.y(runs.v[run]);
    }
    this.trail.push(spot);
  }
}
