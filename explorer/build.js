/**
 * Builds docs/explorer.html, one file: the page, its style, its script, and the worker's inside that.
 *
 * The file names the hash of what it is made of, by which a test tells whether it is stale.
 */

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { law } from "./src/timescales.js";
import { momentum } from "./src/words.js";

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = dirname(HERE);
const LAB = "results/scalar-product/summary.json";

/** What the page is made of, as paths from the repository's root with slashes, in order. */
const sources = [
  ...readdirSync(join(HERE, "src")).map((name) => `explorer/src/${name}`),
  "explorer/build.js",
  "explorer/package-lock.json",
  LAB,
].sort();

const hash = createHash("sha256");
for (const path of sources) {
  const text = readFileSync(join(ROOT, path));
  hash.update(`${path}\n${text.length}\n`);
  hash.update(text);
}

/** @param {string} name */
async function bundled(name, banner = "") {
  const made = await build({
    entryPoints: [join(HERE, "src", name)],
    bundle: true,
    minify: true,
    write: false,
    format: "iife",
    target: "es2022",
    banner: { js: banner },
    legalComments: "none",
  });
  return made.outputFiles[0].text.trim();
}

/** A script within a page must not hold what would end it. */
const inPage = (/** @type {string} */ text) => text.replaceAll("</", "<\\/");

const summary = JSON.parse(readFileSync(join(ROOT, LAB), "utf8"));
const { noise_std: noise, target } = summary.problem.settings;
const { estimate: C, low, high } = summary.best_C;
const goal = summary.problem.goal.threshold / (2 * target);
const lab = JSON.stringify({ C, low, high, noise, batch: 1, goal });

const worker = await bundled("worker.js");
const script = await bundled("main.js", `globalThis.EXPLORER_WORKER=${JSON.stringify(worker)};`);
const style = readFileSync(join(HERE, "src/page.css"), "utf8").replace(/\s*\n\s*/g, "\n");
/** @type {Record<string, string>} */
const parts = {
  SOURCES: hash.digest("hex"),
  STYLE: style,
  SCRIPT: inPage(script),
  LAB: inPage(lab),
  EXAMPLE: momentum(law(1e-3, C)),
};
const page = readFileSync(join(HERE, "src/page.html"), "utf8");
const made = page.replace(/%([A-Z]+)%/g, (whole, name) => parts[name] ?? whole);
writeFileSync(join(ROOT, "docs/explorer.html"), made);
console.log(`docs/explorer.html: ${(Buffer.byteLength(made) / 1000).toFixed(0)} kB of ${sources.length} sources`);
