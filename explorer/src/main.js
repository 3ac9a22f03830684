/** The page: settings in, pictures out. */

import * as captions from "./captions.js";
import { collapseChart, goalChart, sharpnessChart, timesChart } from "./charts.js";
import { Controls, element } from "./controls.js";
import { Live } from "./live.js";
import { fitted } from "./measuring.js";
import { Plane } from "./plane.js";
import { format, muOf, parse } from "./settings.js";
import { GOALS, RATES, unit } from "./sweep.js";
import { Sweeper } from "./sweeper.js";
import { law, rescaled } from "./timescales.js";
import { short } from "./words.js";

/** The worker's program; the build puts it in. */
const WORKER = /** @type {any} */ (globalThis).EXPLORER_WORKER ?? "";

/** Units of time in a second of the picture: the best C arrives in some four. */
const UNITS_A_SECOND = 0.9;

/** Milliseconds of a frame that steps may take. */
const BUDGET = 5;

/** For who wants no motion: units of time after which the picture is shown, and most steps of all runs. */
const STILL = 4;
const MOST_STILL = 1e7;

const lab = JSON.parse(element("lab-C", HTMLScriptElement).textContent ?? "");
const calm = matchMedia("(prefers-reduced-motion: reduce)");

const page = {
  settings: parse(location.hash),
  playing: !calm.matches,
  seen: true,
  owed: 0,
  last: 0,
  seed: 1,
  cost: 5e-5, // milliseconds of a step of a run, measured as it goes
  told: 0,
  moved: true,
  /** @type {(import("./measuring.js").Curve[] | null)[]} Of each rate, one of each goal. */
  curves: RATES.map(() => null),
  /** @type {import("./statistics.js").Interval | null} T_c of the runs in the picture. */
  time: null,
  done: 0,
  noise: "",
};

const plane = new Plane(element("plane", HTMLCanvasElement));
plane.trails = !calm.matches;
let live = startLive();
const sweeper = new Sweeper(WORKER, (news) => {
  page.curves[news.rate] = news.curves;
  page.done = news.done;
  // For another goal than the lab's the best C is known only now: the runs are to have its momentum.
  if (muOf(page.settings, bestC()) !== live.settings.mu) restart();
  showAll();
});
const controls = new Controls(() => page.settings, change, bestC);

/** The curves of the goal that is set. */
function curves() {
  const goal = GOALS.indexOf(page.settings.goal);
  return page.curves.flatMap((all) => (all ? [all[goal]] : []));
}

/** The best C that is known: the lab's for its goal, for another what the curves say when done. */
function bestC() {
  const { noise, batch, goal } = page.settings;
  const known = rescaled(lab.C, lab, { noise, batch });
  if (goal === lab.goal || page.done < 1) return known;
  return fitted(curves())?.C.value ?? known;
}

function startLive() {
  const { lr, noise, batch, runs } = page.settings;
  const mu = muOf(page.settings, bestC());
  return new Live({ runs, lr, mu, noise, batch }, unit(lr, noise, batch), page.seed++);
}

function restart() {
  live = startLive();
  plane.clear();
  page.owed = 0;
  page.moved = true;
  if (calm.matches && !page.playing) {
    // A still picture shows where the runs have come to.
    const { lr, noise, batch, runs } = page.settings;
    live.advance(Math.ceil(Math.min(STILL * unit(lr, noise, batch), MOST_STILL / runs)));
  }
  tell();
}

/** @param {Partial<import("./settings.js").Settings>} changed */
function change(changed) {
  const goal = page.settings.goal;
  page.settings = { ...page.settings, ...changed };
  history.replaceState(null, "", `#${format(page.settings)}`);
  settle(page.settings.goal !== goal);
}

/** @param {boolean} ground Whether what does not move has changed. */
function settle(ground) {
  const { noise, batch, goal } = page.settings;
  if (page.noise !== `${noise} ${batch}`) {
    page.noise = `${noise} ${batch}`;
    page.curves = RATES.map(() => null);
    page.done = 0;
    sweeper.stop();
    clearTimeout(waiting);
    waiting = window.setTimeout(() => sweeper.start({ noise, batch }), 250);
  }
  if (ground) plane.prepare(goal);
  restart();
  showAll();
}
let waiting = 0;

/** @param {string} id */
function sizeOf(id) {
  const svg = element(id, SVGSVGElement);
  const width = Math.max(240, svg.clientWidth);
  return { width, height: Math.max(170, svg.clientHeight) };
}

/**
 * @param {string} id
 * @param {string} drawn
 * @param {{width: number, height: number}} size
 */
function put(id, drawn, size) {
  const svg = element(id, SVGSVGElement);
  svg.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
  svg.innerHTML = drawn;
}

/** @param {import("./statistics.js").Interval | null} time */
function now(time) {
  const { lr, noise, batch } = page.settings;
  return { lr, mu: live.settings.mu, noise, batch, lawMu: law(lr, bestC()), time };
}

let asked = false;
/** Show everything, once before the next frame however often it is asked for. */
function showAll() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    controls.show();
    showCharts();
  });
}

function showCharts() {
  const state = now(page.time);
  const fit = fitted(curves());
  const C = state.lawMu / state.lr ** (2 / 3);
  element("answer", HTMLHeadingElement).innerHTML = captions.answer(state, C);
  element("lead", HTMLParagraphElement).textContent = captions.lead(state, page.settings.goal);
  const say = (/** @type {string} */ id, /** @type {string} */ words) => {
    element(`${id}-caption`, HTMLParagraphElement).textContent = words;
    element(id === "goal" ? "goal-chart" : id, SVGSVGElement).setAttribute("aria-label", words);
  };
  put("times", timesChart(state, sizeOf("times")), sizeOf("times"));
  say("times", captions.times(state));
  put("goal-chart", goalChart(curves(), fit?.time ?? null, state, sizeOf("goal-chart")), sizeOf("goal-chart"));
  say("goal", captions.goal(fit, page.done));
  put("collapse", collapseChart(curves(), state, sizeOf("collapse")), sizeOf("collapse"));
  say("collapse", captions.collapse(fit, C));
}

/** Tell how the runs stand: the line below them, the canvas's text, the sharpness, the circle. */
function tell() {
  const { goal, runs } = page.settings;
  const times = live.times(goal);
  const time = Number.isFinite(times.value) ? times : null;
  page.time = time;
  const words = captions.status({ step: live.runs.step, runs, time, ...live.count(goal) }, goal);
  element("status", HTMLParagraphElement).textContent = words;
  plane.canvas.setAttribute(
    "aria-label",
    `Runs as dots in the plane of the weights u and v, over contours of the loss. ${words}`,
  );
  const { lr, noise, batch } = page.settings;
  const size = sizeOf("sharpness");
  const length = 8 * unit(lr, noise, batch);
  put("sharpness", sharpnessChart(live.spread(), goal, length, size), size);
}

/** @param {number} time */
function frame(time) {
  requestAnimationFrame(frame);
  const passed = Math.min(50, time - page.last);
  page.last = time;
  if (!page.seen) return;
  const { lr, noise, batch, speed, runs } = page.settings;
  const begun = performance.now();
  let moved = page.moved;
  page.moved = false;
  if (page.playing) {
    page.owed += (passed / 1000) * UNITS_A_SECOND * speed * unit(lr, noise, batch);
    // Where a device is too slow the picture is, rather than the page.
    const most = Math.max(1, Math.floor(BUDGET / (page.cost * runs)));
    const steps = Math.min(most, Math.floor(page.owed));
    page.owed = Math.min(page.owed - steps, most);
    if (steps > 0) {
      live.advance(steps);
      const each = (performance.now() - begun) / (steps * runs);
      if (each > 0) page.cost += 0.1 * (Math.min(each, 1e-2) - page.cost);
      moved = true;
    }
  }
  if (moved) plane.draw(live.runs, true);
  if (page.playing && time - page.told > 400) {
    page.told = time;
    const before = page.time?.value;
    tell();
    if (page.time?.value !== before) showCharts();
  }
}

function setPlaying(/** @type {boolean} */ playing) {
  page.playing = playing;
  element("pause", HTMLButtonElement).textContent = playing ? "Pause" : "Play";
}

function showTheme() {
  const chosen = page.settings.theme;
  if (chosen) document.documentElement.dataset.theme = chosen;
  else delete document.documentElement.dataset.theme;
  const dark = (chosen ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const button = element("theme", HTMLButtonElement);
  button.textContent = dark ? "light" : "dark";
  button.setAttribute("aria-label", `Switch to ${dark ? "light" : "dark"} colours`);
  plane.prepare(page.settings.goal);
  plane.draw(live.runs, false);
  return dark;
}

function begin() {
  for (const part of document.querySelectorAll("[hidden]")) part.removeAttribute("hidden");
  const named = element("legend", HTMLUListElement);
  named.innerHTML = RATES.map(
    (lr, i) => `<li style="--rate:var(--lr${i})">lr ${short(lr, 2)}</li>`,
  ).join("");
  element("lab", HTMLSpanElement).textContent = captions.interval({ value: lab.C, low: lab.low, high: lab.high });
  element("pause", HTMLButtonElement).addEventListener("click", () => setPlaying(!page.playing));
  element("restart", HTMLButtonElement).addEventListener("click", restart);
  element("controls", HTMLFormElement).addEventListener("submit", (event) => event.preventDefault());
  element("theme", HTMLButtonElement).addEventListener("click", () => {
    const dark = showTheme();
    change({ theme: dark ? "light" : "dark" });
    showTheme();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);
  addEventListener("hashchange", () => {
    page.settings = parse(location.hash);
    showTheme();
    settle(true);
  });
  new ResizeObserver(() => {
    plane.prepare(page.settings.goal);
    plane.clear();
    plane.draw(live.runs, false);
    tell();
    showAll();
  }).observe(document.body);
  new IntersectionObserver(([entry]) => (page.seen = entry.isIntersecting)).observe(plane.canvas);
  setPlaying(page.playing);
  showTheme();
  settle(true);
  requestAnimationFrame(frame);
}

begin();
